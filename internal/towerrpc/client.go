// Package towerrpc is both ends of the inner door: the gRPC between the outer
// doors and the tower core. It is the only user of protobuf. The client takes
// inspected requests only, and the server inspects again what arrives.
package towerrpc

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials/insecure"

	"vigil/inspector"
	"vigil/internal/teos"
	"vigil/internal/tower"
	"vigil/internal/towerpb"
)

// maxMessage bounds a message in bytes: an appointment with the largest blob
// allowed, or what an operator asks for.
const maxMessage = 64 << 20

// reconnect is how often a core that is away is looked for: to do so costs next
// to nothing on this machine, and gRPC's own pauses grow to two minutes.
var reconnect = backoff.Config{BaseDelay: 100 * time.Millisecond, Multiplier: 2, Jitter: 0.2, MaxDelay: 2 * time.Second}

// Client is the one way to the tower core, for both outer doors and for the
// operator. Its errors are *teos.Error, but for an answer that no core gives:
// that is a defect. It is safe for concurrent use.
type Client struct {
	close func() error
	tower towerpb.TowerServiceClient
	admin towerpb.AdminServiceClient
}

// Dial returns a client of the core that listens on a Unix socket. It does not
// wait for it: a core that is not there yet is teos.Unavailable.
func Dial(socket string) (*Client, error) {
	conn, err := grpc.NewClient("passthrough:///vigil",
		grpc.WithTransportCredentials(insecure.NewCredentials()), // the socket's mode guards it
		grpc.WithContextDialer(dialer(socket)),
		grpc.WithConnectParams(grpc.ConnectParams{Backoff: reconnect, MinConnectTimeout: 5 * time.Second}),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxMessage), grpc.MaxCallSendMsgSize(maxMessage)),
	)
	if err != nil {
		return nil, fmt.Errorf("tower core at %s: %w", socket, err)
	}
	return newClient(conn, conn.Close), nil
}

func newClient(conn grpc.ClientConnInterface, closeConn func() error) *Client {
	return &Client{closeConn, towerpb.NewTowerServiceClient(conn), towerpb.NewAdminServiceClient(conn)}
}

// Close ends the connection. Calls over a socket that are under way fail.
func (c *Client) Close() error { return c.close() }

// Register starts or extends a subscription.
func (c *Client) Register(ctx context.Context, r inspector.Register) (tower.Registration, error) {
	user := r.User()
	out, err := c.tower.Register(ctx, &towerpb.RegisterRequest{
		UserId: user[:], Dialect: dialectToPB(r.Dialect()),
		Token: string(r.Token()), Address: r.Address(), Trusted: r.Trusted(),
	})
	if err != nil {
		return tower.Registration{}, fromStatus(err)
	}
	return registrationFromPB(out, user)
}

// AddAppointment hands an appointment in and returns its receipt.
func (c *Client) AddAppointment(ctx context.Context, r inspector.AddAppointment) (tower.Acceptance, error) {
	a, signature := r.Appointment(), r.Signature()
	out, err := c.tower.AddAppointment(ctx, &towerpb.AddAppointmentRequest{
		Appointment: appointmentToPB(a), Signature: signature[:],
	})
	if err != nil {
		return tower.Acceptance{}, fromStatus(err)
	}
	return acceptanceFromPB(out, r)
}

// GetAppointment asks for an appointment. The error of one that is not found
// says whose dialect to answer in, as every error of a known user does.
func (c *Client) GetAppointment(ctx context.Context, r inspector.GetAppointment) (tower.Watched, error) {
	locator, signature := r.Locator(), r.Signature()
	out, err := c.tower.GetAppointment(ctx, &towerpb.GetAppointmentRequest{
		Locator: locator[:], Signature: signature[:], Written: r.Written(),
	})
	if err != nil {
		return tower.Watched{}, fromStatus(err)
	}
	return watchedFromPB(out)
}

// DeleteAppointment ends an appointment.
func (c *Client) DeleteAppointment(ctx context.Context, r inspector.DeleteAppointment) (tower.Deletion, error) {
	locator, signature := r.Locator(), r.Signature()
	out, err := c.tower.DeleteAppointment(ctx, &towerpb.DeleteAppointmentRequest{
		Locator: locator[:], Signature: signature[:], Written: r.Written(),
	})
	if err != nil {
		return tower.Deletion{}, fromStatus(err)
	}
	return deletionFromPB(out, r)
}

// GetSubscriptionInfo asks for a subscription and a page of its appointments.
func (c *Client) GetSubscriptionInfo(ctx context.Context, r inspector.GetSubscriptionInfo) (tower.Subscription, error) {
	signature := r.Signature()
	out, err := c.tower.GetSubscriptionInfo(ctx, &towerpb.GetSubscriptionInfoRequest{Signature: signature[:], After: r.After()})
	if err != nil {
		return tower.Subscription{}, fromStatus(err)
	}
	return subscriptionFromPB(out)
}

// Dialect returns the dialect of a user, unknown if there is no such user.
func (c *Client) Dialect(ctx context.Context, user teos.UserID) (teos.Dialect, error) {
	out, err := c.tower.GetDialect(ctx, &towerpb.GetDialectRequest{UserId: user[:]})
	if err != nil {
		return 0, fromStatus(err)
	}
	return dialectFromPB(out.GetDialect()), nil
}

// Ping fails until appointments are accepted. With write set it also proves
// that the store can commit.
func (c *Client) Ping(ctx context.Context, write bool) error {
	_, err := c.tower.Ping(ctx, &towerpb.PingRequest{Write: write})
	return fromStatus(err)
}

// Ask asks one of the operator's questions: a method of internal/operator with
// its parameters, a JSON object. The answer is a JSON document.
func (c *Client) Ask(ctx context.Context, method string, params []byte) (json.RawMessage, error) {
	out, err := c.admin.Ask(ctx, &towerpb.AskRequest{Method: method, Params: params})
	if err != nil {
		return nil, fromStatus(err)
	}
	return out.GetDocument(), nil
}
