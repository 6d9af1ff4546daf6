package remote

import (
	"context"
	"errors"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/x/mongo/driver"
	"go.mongodb.org/mongo-driver/v2/x/mongo/driver/topology"

	"weir/mongoerr"
	"weir/store"
)

// convert makes the driver's error a *mongoerr.Error. A cancelled or expired
// context stays what it is.
func convert(err error) error {
	var unreachable topology.ServerSelectionError
	if errors.As(err, &unreachable) && !errors.Is(err, context.Canceled) {
		// Its cause is an expired context, too, but that of the look for a server.
		return withLabels(mongoerr.New(mongoerr.HostUnreachable, "%s", err.Error()), err)
	}
	if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	var cmd mongo.CommandError
	var write mongo.WriteException
	var pool driver.RetryablePoolError
	switch {
	case errors.As(err, &write):
		return fromWrite(write)
	case errors.As(err, &pool):
		// The driver calls it an error of a transaction, whether there is one or not.
		return mongoerr.New(mongoerr.HostUnreachable, "%s", err.Error())
	case mongo.IsNetworkError(err), errors.Is(err, mongo.ErrClientDisconnected):
		return withLabels(mongoerr.New(mongoerr.HostUnreachable, "%s", err.Error()), err)
	case errors.As(err, &cmd):
		return &mongoerr.Error{Code: cmd.Code, Name: name(cmd.Code, cmd.Name), Message: cmd.Message, Labels: cmd.Labels, Info: info(cmd.Raw)}
	}
	var selection interface{ Unwrap() error }
	if errors.As(err, &selection) && mongo.IsTimeout(err) {
		return mongoerr.New(mongoerr.HostUnreachable, "%s", err.Error())
	}
	return err
}

func withLabels(e *mongoerr.Error, err error) *mongoerr.Error {
	var l interface{ HasErrorLabel(string) bool }
	if !errors.As(err, &l) {
		return e
	}
	for _, label := range []string{"TransientTransactionError", "UnknownTransactionCommitResult", "RetryableWriteError"} {
		if l.HasErrorLabel(label) {
			e.Labels = append(e.Labels, label)
		}
	}
	return e
}

func name(code int32, given string) string {
	if given != "" {
		return given
	}
	return mongoerr.CodeName(code)
}

func fromWrite(e mongo.WriteException) error {
	if len(e.WriteErrors) > 0 {
		return fromWriteError(e.WriteErrors[0], e.Labels)
	}
	if w := e.WriteConcernError; w != nil {
		return &mongoerr.Error{Code: int32(w.Code), Name: name(int32(w.Code), w.Name), Message: w.Message, Labels: e.Labels}
	}
	return e
}

func fromWriteError(w mongo.WriteError, labels []string) *mongoerr.Error {
	code := int32(w.Code)
	return &mongoerr.Error{Code: code, Name: mongoerr.CodeName(code), Message: w.Message, Labels: labels, Info: info(w.Raw)}
}

// infoFields are the fields of an error reply that say more than code and text.
var infoFields = []string{"keyPattern", "keyValue", "collation", "errInfo", "writeErrors"}

func info(reply bson.Raw) []byte {
	var d bson.D
	for _, f := range infoFields {
		if v, err := reply.LookupErr(f); err == nil {
			d = append(d, bson.E{Key: f, Value: v})
		}
	}
	if d == nil {
		return nil
	}
	raw, err := bson.Marshal(d)
	if err != nil {
		return nil
	}
	return raw
}

// splitBulk takes the operations' own errors out of a bulk write's exception. Where
// there is one of the write concern beside them, nothing of the write is known to be as
// durable as was asked for: that is of the whole write.
func splitBulk(err error) ([]store.WriteError, error) {
	var bulk mongo.BulkWriteException
	if !errors.As(err, &bulk) {
		return nil, convert(err)
	}
	if bulk.WriteConcernError != nil {
		return nil, fromWrite(mongo.WriteException{WriteConcernError: bulk.WriteConcernError, Labels: bulk.Labels})
	}
	var out []store.WriteError
	for _, w := range bulk.WriteErrors {
		out = append(out, store.WriteError{Index: w.Index, Err: fromWriteError(w.WriteError, bulk.Labels)})
	}
	return out, nil
}
