package wire

import (
	"context"
	"errors"
	"strings"

	"github.com/jackc/pgx/v5/pgproto3"

	"weir/sqlerr"
)

// fatal makes an error that ends the connection.
func fatal(code, format string, args ...any) *sqlerr.Error {
	e := sqlerr.New(code, format, args...)
	e.Severity = "FATAL"
	return e
}

func asFatal(err error) error {
	e := *sqlerr.As(err)
	e.Severity = "FATAL"
	return &e
}

func isFatal(err error) bool {
	var e *sqlerr.Error
	return errors.As(err, &e) && e.Severity == "FATAL"
}

// fail sends an error and aborts the transaction; true: the connection ends.
func (c *conn) fail(err error) bool {
	c.end()
	if c.terminated.Load() || errors.Is(context.Cause(c.ctx), errClientGone) {
		return true
	}
	e := sqlerr.As(err)
	c.session.Fail(c.ctx, e)
	c.sendNotices()
	c.out.buf = append(c.out.buf, c.errorMessage(e)...)
	return false
}

func (c *conn) errorMessage(e *sqlerr.Error) []byte {
	severity := e.Severity
	if severity == "" {
		severity = "ERROR"
	}
	b, _ := c.errorResponse(e, severity).Encode(nil)
	return b
}

func (c *conn) errorResponse(e *sqlerr.Error, severity string) *pgproto3.ErrorResponse {
	return &pgproto3.ErrorResponse{
		Severity: severity, SeverityUnlocalized: severity,
		Code: e.Code, Message: c.text(e.Message), Detail: c.text(e.Detail), Hint: c.text(e.Hint),
		Position: int32(e.Position), Where: c.text(e.Where),
		SchemaName: c.text(e.Schema), TableName: c.text(e.Table), ColumnName: c.text(e.Column),
		DataTypeName: e.DataType, ConstraintName: c.text(e.Constraint), Routine: e.Routine,
	}
}

// text is a message's text for the client.
func (c *conn) text(s string) string { return c.charset.text(plain(s)) }

// plain takes out zero bytes, which would end a field early.
func plain(s string) string { return strings.ReplaceAll(s, "\x00", "") }

func (c *conn) sendNotices() {
	for _, n := range c.session.Notices() {
		c.out.send((*pgproto3.NoticeResponse)(c.errorResponse(n, n.Severity)))
	}
}

func (c *conn) sendNotifications() {
	for _, n := range c.session.Notifications() {
		c.out.send(&pgproto3.NotificationResponse{PID: n.ProcessID, Channel: c.text(n.Channel), Payload: c.text(n.Payload)})
	}
}

func (c *conn) reportParameters() {
	for _, p := range c.session.Reports() {
		if p.Name == "client_encoding" {
			c.charset = newCharset(p.Value)
		}
		c.out.send(&pgproto3.ParameterStatus{Name: p.Name, Value: c.charset.text(p.Value)})
	}
}

// finish ends a batch: commit, then what was held back, then ReadyForQuery.
func (c *conn) finish() error {
	ctx := c.begin()
	err := c.session.EndBatch(ctx)
	c.end()
	if err != nil {
		if c.fail(err) {
			return errTerminated
		}
		_ = c.session.EndBatch(c.ctx)
	}
	c.sendNotices()
	return c.ready()
}

// ready sends ReadyForQuery and everything before it.
func (c *conn) ready() error {
	c.batch, c.skipping = false, false
	c.drop()
	c.reportParameters()
	status := c.session.TxStatus()
	if status == 'I' {
		c.sendNotifications()
	}
	c.out.send(&pgproto3.ReadyForQuery{TxStatus: status})
	if err := c.out.flush(); err != nil {
		return err
	}
	c.out.release()
	return nil
}
