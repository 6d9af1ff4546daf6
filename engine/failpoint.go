package engine

import (
	"context"
	"errors"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
	"weir/mongoerr"
)

// ErrCloseConnection is what a fail point with closeConnection gives: the
// listener closes the connection without an answer.
var ErrCloseConnection = errors.New("fail point closes the connection")

// failPoints are faults that tests put into commands; see configureFailPoint.
type failPoints struct {
	mu      sync.Mutex
	command *failCommand
}

type failCommand struct {
	names     map[string]bool
	times     int64 // negative: always
	code      int32
	labels    []string
	hasLabels bool
	close     bool
	block     time.Duration
	appName   string
	concern   bson.Raw
}

// cmdConfigureFailPoint: {configureFailPoint: "failCommand", mode, data}.
func cmdConfigureFailPoint(_ context.Context, r *request, dst []byte) ([]byte, error) {
	if !r.e.opts.TestCommands {
		return dst, mongoerr.New(mongoerr.CommandNotFound, "no such command: 'configureFailPoint'")
	}
	if !r.arg.IsString() || r.arg.Str() != "failCommand" {
		return dst, mongoerr.New(mongoerr.BadValue, "%s not found", r.arg)
	}
	f, err := parseFailCommand(value.Lookup(r.cmd, "mode"), value.Lookup(r.cmd, "data"))
	if err != nil {
		return dst, err
	}
	r.e.fail.mu.Lock()
	defer r.e.fail.mu.Unlock()
	r.e.fail.command = f
	return value.AppendElement(dst, "count", value.Int64(0)), nil
}

func parseFailCommand(mode, data value.Value) (*failCommand, error) {
	f := &failCommand{names: map[string]bool{}, times: -1}
	switch {
	case mode.IsString() && mode.Str() == "off":
		return nil, nil
	case mode.IsString() && mode.Str() == "alwaysOn":
	case mode.IsDocument() && value.Lookup(mode.Doc(), "times").IsNumber():
		f.times = value.Lookup(mode.Doc(), "times").AsInt64()
	default:
		return nil, mongoerr.New(mongoerr.BadValue, "unknown mode %s", mode)
	}
	if !data.IsDocument() {
		return f, nil
	}
	for it := value.Walk(data.Doc()); it.Next(); {
		v := it.Value()
		switch it.Key() {
		case "failCommands":
			for n := value.Walk(v.Doc()); n.Next(); {
				f.names[string([]byte(n.Value().Str()))] = true
			}
		case "errorCode":
			f.code = int32(v.AsInt64())
		case "errorLabels":
			f.hasLabels = true
			for n := value.Walk(v.Doc()); n.Next(); {
				f.labels = append(f.labels, string([]byte(n.Value().Str())))
			}
		case "closeConnection":
			f.close = v.Truthy()
		case "blockConnection":
		case "blockTimeMS":
			f.block = time.Duration(v.AsInt64()) * time.Millisecond
		case "appName":
			f.appName = string([]byte(v.Str()))
		case "writeConcernError":
			f.concern = append(bson.Raw(nil), v.Doc()...)
		}
	}
	return f, nil
}

// take gives the fail point if it is for this command, and counts it.
func (p *failPoints) take(r *request) *failCommand {
	p.mu.Lock()
	defer p.mu.Unlock()
	f := p.command
	if f == nil || !f.names[r.name] || r.name == "configureFailPoint" || f.appName != "" && (r.s == nil || r.s.appName != f.appName) {
		return nil
	}
	if f.times == 0 {
		p.command = nil
		return nil
	}
	if f.times > 0 {
		f.times--
	}
	return f
}

// check runs before a command.
func (p *failPoints) check(ctx context.Context, r *request) error {
	f := p.take(r)
	if f == nil {
		return nil
	}
	if f.block > 0 {
		t := time.NewTimer(f.block)
		defer t.Stop()
		select {
		case <-t.C:
		case <-ctx.Done():
			return interrupted(ctx.Err())
		}
	}
	switch {
	case f.close:
		return ErrCloseConnection
	case f.code != 0:
		err := mongoerr.New(f.code, "Failing command via 'failCommand' failpoint").WithLabels(f.labels...)
		if !f.hasLabels && r.hasTxn {
			err = err.WithLabels(defaultLabels(r, f.code)...)
		}
		return err
	}
	if f.concern != nil {
		r.concern, r.labels = f.concern, f.labels
		if code := value.Lookup(f.concern, "code"); !f.hasLabels && code.IsNumber() && r.hasTxn && retryableCode(int32(code.AsInt64())) &&
			(!r.autocommit || r.name == "commitTransaction" || r.name == "abortTransaction") {
			r.labels = []string{"RetryableWriteError"}
		}
	}
	return nil
}

// defaultLabels are the labels that the server gives by itself.
func defaultLabels(r *request, code int32) []string {
	switch {
	case r.autocommit && r.name != "commitTransaction" && r.name != "abortTransaction":
		if retryableCode(code) || code == mongoerr.WriteConflict || code == mongoerr.NoSuchTransaction {
			return []string{"TransientTransactionError"}
		}
	case retryableCode(code):
		return []string{"RetryableWriteError"}
	case r.autocommit && r.name == "commitTransaction" && code == mongoerr.NoSuchTransaction:
		return []string{"TransientTransactionError"}
	}
	return nil
}

// retryableCode tells the codes after which a driver tries again.
func retryableCode(code int32) bool {
	switch code {
	case 6, 7, 89, 91, 189, 262, 9001, 10107, 11600, 11602, 13435, 13436:
		return true
	}
	return false
}

// appendConcern appends the writeConcernError of a fail point to a reply.
func (p *failPoints) appendConcern(r *request, dst []byte) []byte {
	if r.concern == nil {
		return dst
	}
	if len(r.labels) > 0 {
		dst = value.AppendHeader(dst, bson.TypeArray, "errorLabels")
		start, d := value.BeginDocument(dst)
		for i, l := range r.labels {
			d = value.AppendItem(d, i, value.String(l))
		}
		dst = value.EndDocument(d, start)
	}
	return value.AppendElement(dst, "writeConcernError", value.Document(r.concern))
}
