package harness

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
)

// manifest is what lightningd reads of a plugin's answer to getmanifest.
type manifest struct {
	Disable *string          `json:"disable"`
	Options []manifestOption `json:"options"`
	Methods []struct {
		Name  string  `json:"name"`
		Usage *string `json:"usage"`
	} `json:"rpcmethods"`
	Subscriptions []string `json:"subscriptions"`
	Notifications []struct {
		Method string `json:"method"`
	} `json:"notifications"`
	Hooks []json.RawMessage `json:"hooks"`
}

type manifestOption struct {
	Name    string `json:"name"`
	Type    string `json:"type"`
	Default any    `json:"default"`
	Multi   bool   `json:"multi"`
}

// taken are names that a plugin may not give to a method: a choice of
// lightningd's own and all of the watchtower-client plugin's.
var taken = []string{"getinfo", "getmanifest", "init", "help", "stop", "invoice", "pay", "plugin",
	"getchaininfo", "getrawblockbyheight", "sendrawtransaction", "estimatefees", "getutxout",
	"makesecret", "waitblockheight", "signmessage", "checkmessage", "listpeers",
	"registertower", "abandontower", "listtowers", "gettowerinfo", "retrytower", "pingtower",
	"getappointment", "getappointmentreceipt", "getsubscriptioninfo", "getregistrationreceipt"}

// introduce goes through getmanifest and init. It returns the reason where
// the plugin disables itself.
func (p *pluginConn) introduce(ctx context.Context, options map[string]any) (string, error) {
	err := p.call(ctx, "getmanifest", map[string]any{"allow-deprecated-apis": false}, &p.manifest)
	if err != nil {
		return "", fmt.Errorf("getmanifest: %w", err)
	}
	var m manifest
	if err := json.Unmarshal(p.manifest, &m); err != nil {
		return "", fmt.Errorf("getmanifest: %w", err)
	}
	if m.Disable != nil {
		return *m.Disable, nil
	}
	values, err := m.values(options)
	if err != nil {
		return "", err
	}
	if err := p.register(m); err != nil {
		return "", err
	}
	return p.init(ctx, values)
}

func (p *pluginConn) init(ctx context.Context, options map[string]any) (string, error) {
	var result json.RawMessage
	err := p.call(ctx, "init", map[string]any{
		"options": options,
		"configuration": map[string]any{
			"lightning-dir": p.s.dir, "rpc-file": "lightning-rpc", "startup": true, "network": "regtest",
			"feature_set": map[string]any{"init": "800898880a8a59a1", "node": "808898880a8a59a1",
				"channel": "", "invoice": "02000002024100"},
		}}, &result)
	if err != nil {
		return "", fmt.Errorf("init: %w", err)
	}
	var object struct{ Disable string }
	if json.Unmarshal(result, &object) != nil {
		return "", nil // glightning answers "ok", lightningd takes anything
	}
	return object.Disable, nil
}

// register notes what the plugin offers and wants.
func (p *pluginConn) register(m manifest) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.methods, p.topics, p.wants = map[string]bool{}, map[string]bool{}, map[string]bool{}
	for _, method := range m.Methods {
		if method.Name == "" || method.Usage == nil {
			return fmt.Errorf("method %q: name or usage is missing", method.Name)
		}
		if p.methods[method.Name] || slices.Contains(taken, method.Name) {
			return fmt.Errorf("method %q is taken", method.Name)
		}
		p.methods[method.Name] = true
	}
	for _, notification := range m.Notifications {
		p.topics[notification.Method] = true
	}
	for _, topic := range m.Subscriptions {
		p.wants[topic] = true
	}
	if m.Methods == nil {
		return errors.New(`"rpcmethods" is missing`)
	}
	return nil
}

// values are the options as init has them: the given ones and the defaults.
func (m manifest) values(given map[string]any) (map[string]any, error) {
	values := map[string]any{}
	for _, option := range m.Options {
		if !slices.Contains([]string{"string", "int", "bool", "flag"}, option.Type) {
			return nil, fmt.Errorf("option %q has the unknown type %q", option.Name, option.Type)
		}
		if value, ok := given[option.Name]; ok {
			values[option.Name] = value
		} else if option.Default != nil && option.Type != "flag" {
			values[option.Name] = option.Default
		}
		if value, ok := values[option.Name]; ok && option.Multi {
			if _, isList := value.([]any); !isList {
				values[option.Name] = []any{value}
			}
		}
	}
	for name := range given {
		if !slices.ContainsFunc(m.Options, func(o manifestOption) bool { return o.Name == name }) {
			return nil, fmt.Errorf("%s: unrecognized option", name)
		}
	}
	return values, nil
}
