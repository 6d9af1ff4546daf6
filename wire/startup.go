package wire

import (
	"context"
	"crypto/tls"
	"errors"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"weir/sqlerr"
)

// errDone ends a connection in order: it asked for nothing more.
var errDone = errors.New("wire: connection done")

// start takes a connection from its first byte to its first ReadyForQuery.
func (c *conn) start(ctx context.Context) error {
	_ = c.nc.SetDeadline(time.Now().Add(c.srv.opts.StartupTimeout))
	p, err := c.negotiate(ctx)
	if err != nil {
		return err
	}
	params, minor, err := c.accept(p)
	if err != nil {
		return err
	}
	st := &Startup{
		User: params.user, Database: params.database, Settings: params.settings,
		Remote: c.nc.RemoteAddr(), TLS: c.tlsState(), Control: c,
	}
	if err := c.authenticate(ctx, st); err != nil {
		return err
	}
	keyLen := 4
	if minor >= 2 {
		keyLen = 32
	}
	if !c.srv.register(c, keyLen) {
		return fatal(sqlerr.TooManyConnections, "sorry, too many clients already")
	}
	st.ProcessID = c.pid
	c.out.send(&pgproto3.AuthenticationOk{})
	session, err := c.srv.handler.NewSession(ctx, st)
	if err != nil {
		return asFatal(err)
	}
	c.session = session
	// Notifications may have come already; ready sends them.
	_ = c.nc.SetDeadline(time.Time{})
	c.woke.Store(false)
	if c.terminated.Load() {
		return errTerminated
	}
	c.reportParameters()
	c.out.send(&pgproto3.BackendKeyData{ProcessID: c.pid, SecretKey: c.key})
	c.sendNotices()
	return c.ready()
}

// negotiate answers encryption and cancel requests until a startup packet
// comes. Each encryption may be asked for once.
func (c *conn) negotiate(ctx context.Context) (packet, error) {
	ssl, gss := false, false
	if err := c.directTLS(ctx); err != nil {
		return packet{}, err
	}
	for {
		p, err := c.readPacket()
		if err != nil {
			return p, err
		}
		switch {
		case p.code == codeCancel:
			c.srv.cancel(p.body)
			return p, errDone
		case p.code == codeSSL && !ssl:
			ssl = true
			err = c.answerSSL(ctx)
		case p.code == codeGSS && !gss:
			gss = true
			_, err = c.nc.Write([]byte{'N'})
		default:
			return p, nil
		}
		if err != nil {
			return p, err
		}
	}
}

func (c *conn) answerSSL(ctx context.Context) error {
	if c.srv.opts.TLS == nil || c.tls != nil {
		_, err := c.nc.Write([]byte{'N'})
		return err
	}
	// Bytes sent before the handshake would be taken for encrypted ones.
	if c.in.r < c.in.w {
		return fatal(sqlerr.ProtocolViolation, "received unencrypted data after SSL request")
	}
	if _, err := c.nc.Write([]byte{'S'}); err != nil {
		return err
	}
	return c.handshake(ctx)
}

// directTLS notices a TLS ClientHello in place of a packet.
func (c *conn) directTLS(ctx context.Context) error {
	b, err := c.in.peek(1)
	if err != nil {
		return err
	}
	if b[0] != 0x16 || c.srv.opts.TLS == nil {
		return nil
	}
	return c.handshake(ctx)
}

// accept checks the protocol version and the parameters, and negotiates down.
func (c *conn) accept(p packet) (startupParams, int, error) {
	major, minor := p.code>>16, int(p.code&0xffff)
	if major < 3 {
		return startupParams{}, 0, errGarbage
	}
	if major > 3 {
		return startupParams{}, 0, fatal(sqlerr.FeatureNotSupported,
			"unsupported frontend protocol %d.%d: server supports 3.0 to 3.%d", major, minor, newestMinor)
	}
	params, err := parseStartup(p.body)
	if err != nil {
		return params, 0, asFatal(err)
	}
	if minor > newestMinor || len(params.extensions) > 0 {
		minor = min(minor, newestMinor)
		c.out.send(&pgproto3.NegotiateProtocolVersion{
			NewestMinorProtocol: 3<<16 | uint32(minor), UnrecognizedOptions: params.extensions,
		})
	}
	switch {
	case params.user == "":
		err = fatal(sqlerr.InvalidAuthorization, "no PostgreSQL user name specified in startup packet")
	case params.replication != "" && !isFalse(params.replication):
		err = fatal(sqlerr.FeatureNotSupported, "replication connections are not supported").
			WithHint("Subscribe to changes with CREATE EVENT_SUBSCRIPTION or SUBSCRIBE TO.")
	case c.srv.opts.RequireTLS && c.tls == nil:
		err = fatal(sqlerr.InvalidAuthorization, "connections without SSL encryption are refused")
	}
	return params, minor, err
}

func isFalse(s string) bool {
	switch s {
	case "false", "off", "no", "0":
		return true
	}
	return false
}

func (c *conn) handshake(ctx context.Context) error {
	cfg := c.srv.opts.TLS.Clone()
	if len(cfg.NextProtos) == 0 {
		cfg.NextProtos = []string{"postgresql"}
	}
	t := tls.Server(&prefixConn{Conn: c.nc, in: c.in}, cfg)
	if err := t.HandshakeContext(ctx); err != nil {
		return errGarbage
	}
	c.tls = t
	c.nc = t
	c.in = &input{conn: t}
	c.out.w = t
	return nil
}

func (c *conn) tlsState() *tls.ConnectionState {
	if c.tls == nil {
		return nil
	}
	s := c.tls.ConnectionState()
	return &s
}
