package towerapi

import (
	"context"
	"net/http"
	"net/netip"
	"strings"

	"vigil/internal/teos"
)

// visitor is what is known of a client beside its request.
type visitor struct {
	addr netip.Addr // invalid where it is not known
	// token is that of an invitation, "" if none was shown.
	token teos.Token
}

// invitedPath is where the API lies for clients that show a token in the path:
// /i/TOKEN/register.
const invitedPath = "/i/"

// visit returns who asks, and the path without a token. Clients in the field send
// nothing of their own but the name of the host: its first label may be a token
// (TOKEN.tower.example; Tor ignores what stands before an onion address, too).
func (s *Server) visit(r *http.Request) (v visitor, path string) {
	v, path = visitor{addr: s.client(r)}, r.URL.Path
	if rest, ok := strings.CutPrefix(path, invitedPath); ok {
		text, after, _ := strings.Cut(rest, "/")
		if v.token, ok = teos.ParseToken(text); ok {
			return v, "/" + after
		}
	}
	label, _, _ := strings.Cut(r.Host, ".")
	v.token, _ = teos.ParseToken(label)
	return v, path
}

type visitorKey struct{}

func withVisitor(ctx context.Context, v visitor) context.Context {
	return context.WithValue(ctx, visitorKey{}, v)
}

func visitorOf(ctx context.Context) visitor {
	v, _ := ctx.Value(visitorKey{}).(visitor)
	return v
}

// address is how the operator is shown it.
func (v visitor) address() string {
	if !v.addr.IsValid() {
		return ""
	}
	return v.addr.String()
}
