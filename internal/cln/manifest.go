package cln

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/elementsproject/glightning/glightning"
)

// option is an Option as glightning keeps it. Its values are not set there:
// glightning refuses arrays and reads integers as floats.
type option struct{ o Option }

func (o option) GetName() string { return o.o.Name }
func (o option) GetDesc() string { return o.o.Description }
func (o option) GetDefault() any { return o.o.Default }
func (o option) GetValue() any   { return nil }
func (o option) Set(any) error   { return nil }
func (o option) Type() string    { return o.o.Type }

func (o option) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Name        string `json:"name"`
		Type        string `json:"type"`
		Default     any    `json:"default,omitempty"`
		Description string `json:"description"`
		Multi       bool   `json:"multi,omitempty"`
	}{o.o.Name, o.o.Type, o.o.Default, o.o.Description, o.o.Multi})
}

// manifest is the answer to getmanifest: see lightningd's
// a-day-in-the-life-of-a-plugin. glightning's own lacks most of it.
type manifest struct {
	Options       []glightning.Option `json:"options"`
	Methods       []manifestMethod    `json:"rpcmethods"`
	Subscriptions []string            `json:"subscriptions"`
	Notifications []manifestTopic     `json:"notifications"`
	Dynamic       bool                `json:"dynamic"`
	NonNumericIDs bool                `json:"nonnumericids"`
	CanCheck      bool                `json:"cancheck"`
	Disable       string              `json:"disable,omitempty"`
}

type manifestMethod struct {
	Name        string `json:"name"`
	Usage       string `json:"usage"`
	Description string `json:"description"`
}

type manifestTopic struct {
	Method string `json:"method"`
}

func (g *guard) getManifest(context.Context, json.RawMessage) (any, error) {
	base, err := glightning.NewManifestRpcMethod(g.lib).Method.Call()
	if err != nil {
		return nil, err
	}
	registry, ok := base.(*glightning.Manifest)
	if !ok {
		return nil, fmt.Errorf("glightning's manifest is a %T", base)
	}
	m := manifest{
		Options:       registry.Options,
		Methods:       g.manifestMethods(registry.RpcMethods),
		Subscriptions: append(registry.Subscriptions, "block_added", "shutdown"),
		Notifications: []manifestTopic{},
		Dynamic:       registry.Dynamic,
		NonNumericIDs: true,
		CanCheck:      true,
		Disable:       g.reason("getmanifest", g.plugin.Disable),
	}
	slices.SortFunc(m.Options, func(a, b glightning.Option) int { return strings.Compare(a.GetName(), b.GetName()) })
	for _, topic := range g.plugin.Notifications {
		m.Notifications = append(m.Notifications, manifestTopic{topic})
	}
	return m, nil
}

// manifestMethods lists the registered methods that are ours, by name. The
// usage is not glightning's, which would name the bridge's one field.
func (g *guard) manifestMethods(registered []*glightning.RpcMethod) []manifestMethod {
	usage := map[string]string{}
	for _, m := range g.plugin.Methods {
		usage[m.Name] = m.Usage
	}
	byName := map[string]manifestMethod{}
	for _, r := range registered {
		name := r.Method.Name()
		if u, ours := usage[name]; ours {
			byName[name] = manifestMethod{name, u, r.Description()}
		}
	}
	list := []manifestMethod{}
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		list = append(list, byName[name])
	}
	return list
}
