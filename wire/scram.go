package wire

import (
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"strings"

	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/xdg-go/scram"

	"weir/sqlerr"
)

const (
	mechanism     = "SCRAM-SHA-256"
	mechanismPlus = "SCRAM-SHA-256-PLUS"
)

// authenticate lets a user in without a password or by SCRAM-SHA-256, on TLS
// also with channel binding.
func (c *conn) authenticate(ctx context.Context, st *Startup) error {
	cred, err := c.srv.handler.Credentials(ctx, st)
	if err != nil {
		return asFatal(err)
	}
	if cred == nil {
		return nil
	}
	binding := c.channelBinding()
	offer := []string{mechanism}
	if binding.IsSupported() {
		offer = []string{mechanismPlus, mechanism}
	}
	c.out.send(&pgproto3.AuthenticationSASL{AuthMechanisms: offer})
	// The name inside the exchange is ignored: the startup packet's counts,
	// and clients fill in anything here.
	server, err := scram.SHA256.NewServer(func(string) (scram.StoredCredentials, error) { return *cred, nil })
	if err != nil {
		return err
	}
	return c.exchange(server.NewConversationWithChannelBinding(binding), st.User, binding.IsSupported())
}

func (c *conn) exchange(conv *scram.ServerConversation, user string, plus bool) error {
	body, err := c.saslMessage()
	if err != nil {
		return err
	}
	var first pgproto3.SASLInitialResponse
	if first.Decode(body) != nil {
		return fatal(sqlerr.ProtocolViolation, "malformed SASL message")
	}
	if first.AuthMechanism != mechanism && !(plus && first.AuthMechanism == mechanismPlus) {
		return fatal(sqlerr.ProtocolViolation, "client selected an invalid SASL authentication mechanism")
	}
	text := string(first.Data)
	if bound := strings.HasPrefix(text, "p="); bound != (first.AuthMechanism == mechanismPlus) {
		return fatal(sqlerr.ProtocolViolation, "malformed SCRAM message")
	}
	answer, err := conv.Step(text)
	if err != nil {
		return failedPassword(user)
	}
	c.out.send(&pgproto3.AuthenticationSASLContinue{Data: []byte(answer)})
	if body, err = c.saslMessage(); err != nil {
		return err
	}
	answer, err = conv.Step(string(body))
	if err != nil || !conv.Valid() {
		return failedPassword(user)
	}
	c.out.send(&pgproto3.AuthenticationSASLFinal{Data: []byte(answer)})
	return nil
}

func (c *conn) saslMessage() ([]byte, error) {
	if err := c.out.flush(); err != nil {
		return nil, err
	}
	typ, body, err := c.in.message(maxStartupPacket)
	switch {
	case err == errMessageLength:
		return nil, fatal(sqlerr.ProtocolViolation, "invalid message length")
	case err != nil:
		return nil, err
	case typ == 'X':
		return nil, errDone
	case typ != 'p':
		return nil, fatal(sqlerr.ProtocolViolation, "expected SASL response, got message type %d", typ)
	}
	return body, nil
}

func failedPassword(user string) error {
	return fatal(sqlerr.InvalidPassword, "password authentication failed for user \"%s\"", user)
}

// channelBinding is tls-server-end-point (RFC 5929) for a server with one
// certificate; with several, which one was sent is not known here.
func (c *conn) channelBinding() scram.ChannelBinding {
	if c.tls == nil || len(c.srv.opts.TLS.Certificates) != 1 || c.srv.opts.TLS.GetCertificate != nil {
		return scram.ChannelBinding{}
	}
	raw := c.srv.opts.TLS.Certificates[0].Certificate
	if len(raw) == 0 {
		return scram.ChannelBinding{}
	}
	cert, err := x509.ParseCertificate(raw[0])
	if err != nil {
		return scram.ChannelBinding{}
	}
	return scram.ChannelBinding{Type: scram.ChannelBindingTLSServerEndpoint, Data: endPointHash(cert)}
}

// endPointHash hashes by the certificate's signature algorithm, MD5 and SHA-1
// replaced by SHA-256.
func endPointHash(cert *x509.Certificate) []byte {
	switch cert.SignatureAlgorithm {
	case x509.SHA384WithRSA, x509.ECDSAWithSHA384, x509.SHA384WithRSAPSS:
		h := sha512.Sum384(cert.Raw)
		return h[:]
	case x509.SHA512WithRSA, x509.ECDSAWithSHA512, x509.SHA512WithRSAPSS:
		h := sha512.Sum512(cert.Raw)
		return h[:]
	}
	h := sha256.Sum256(cert.Raw)
	return h[:]
}
