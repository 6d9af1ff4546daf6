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
	b, _ := errorResponse(e, severity).Encode(nil)
	return b
}

func errorResponse(e *sqlerr.Error, severity string) *pgproto3.ErrorResponse {
	return &pgproto3.ErrorResponse{
		Severity: severity, SeverityUnlocalized: severity,
		Code: e.Code, Message: plain(e.Message), Detail: plain(e.Detail), Hint: plain(e.Hint),
		Position: int32(e.Position), Where: plain(e.Where),
		SchemaName: plain(e.Schema), TableName: plain(e.Table), ColumnName: plain(e.Column),
		DataTypeName: e.DataType, ConstraintName: plain(e.Constraint), Routine: e.Routine,
	}
}

// plain takes out zero bytes, which would end a field early.
func plain(s string) string { return strings.ReplaceAll(s, "\x00", "") }

func (c *conn) sendNotices() {
	for _, n := range c.session.Notices() {
		c.out.send((*pgproto3.NoticeResponse)(errorResponse(n, n.Severity)))
	}
}

func (c *conn) sendNotifications() {
	for _, n := range c.session.Notifications() {
		c.out.send(&pgproto3.NotificationResponse{PID: n.ProcessID, Channel: n.Channel, Payload: n.Payload})
	}
}

func (c *conn) reportParameters() {
	for _, p := range c.session.Reports() {
		c.out.send(&pgproto3.ParameterStatus{Name: p.Name, Value: p.Value})
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
