package engine

import (
	"bytes"

	"weir/engine/value"
	"weir/mongoerr"
)

// codeIncompleteHistory is IncompleteTransactionHistory.
const codeIncompleteHistory = 217

// checkTransactionLevel refuses to create in a transaction that reads a snapshot.
func (r *request) checkTransactionLevel() error {
	if r.tx == nil || r.tx.level == "" || r.tx.level == "local" {
		return nil
	}
	return mongoerr.New(mongoerr.InvalidOptions, "Command %s does not support this transaction's { readConcern: { level: \"%s\", provenance: \"clientSupplied\" } } :: caused by :: read concern not supported", r.name, r.tx.level)
}

// checkInTransaction refuses what no transaction may do; nothing happens to the
// transaction then.
func (r *request) checkInTransaction(c command) error {
	if !c.inTxn {
		return mongoerr.New(mongoerr.OperationNotSupportedInTxn, "Cannot run '%s' in a multi-document transaction.", r.name)
	}
	if r.db == "local" {
		return mongoerr.New(mongoerr.OperationNotSupportedInTxn, "Cannot run command against the 'local' database in a transaction.")
	}
	if r.db == "config" {
		return mongoerr.New(mongoerr.OperationNotSupportedInTxn, "Cannot run command against the config database in a transaction.")
	}
	if r.arg.IsString() {
		if err := r.checkReadable(r.arg.Str()); err != nil {
			return err
		}
	}
	if r.start && r.name == "killCursors" {
		return mongoerr.New(mongoerr.OperationNotSupportedInTxn, "Cannot run killCursors as the first operation in a multi-document transaction.")
	}
	switch {
	case r.level == "linearizable" || r.level == "available":
		return mongoerr.New(mongoerr.InvalidOptions, "The readConcern level must be either 'local' (default), 'majority' or 'snapshot' in order to run in a transaction")
	case !r.start && r.hasConcern:
		return mongoerr.New(mongoerr.InvalidOptions, "Only the first command in a transaction may specify a readConcern")
	}
	if value.Lookup(r.cmd, "writeConcern").IsDocument() {
		return mongoerr.New(mongoerr.InvalidOptions, "writeConcern is not allowed within a multi-statement transaction")
	}
	return nil
}

// checkReadable refuses the collections that a transaction cannot even read.
func (r *request) checkReadable(coll string) error {
	if r.autocommit && (coll == "system.profile" || coll == "system.views") {
		return mongoerr.New(mongoerr.OperationNotSupportedInTxn, "Cannot run command against the '%s.%s' collection in a transaction.", r.db, coll)
	}
	return nil
}

// openTransaction is the transaction that the command goes on with or ends; it
// must declare the API version like the first.
func (r *request) openTransaction() (*transaction, error) {
	t, err := r.session.transaction(r.txnNumber)
	if err != nil {
		return nil, err
	}
	if now := apiParameters(r.cmd); !bytes.Equal(now, t.api) {
		return nil, mongoerr.New(codeAPIMismatch, "API parameter mismatch: the command has %s, the transaction's first command had %s", now, t.api)
	}
	return t, nil
}

func (r *request) enterTransaction(c command) error {
	if r.name == "commitTransaction" || r.name == "abortTransaction" {
		return r.checkEnding()
	}
	if err := r.checkInTransaction(c); err != nil {
		return err
	}
	var err error
	if r.start {
		lsid := lsidDocument(r.lsid)
		r.tx, err = r.session.startTransaction(r.e, r.txnNumber, func() (*transaction, error) {
			ts, past := r.atClusterTime()
			if !past {
				return r.e.begin(lsid, r.txnNumber, nil, 0), nil
			}
			snap, err := r.e.past.at(r.e, ts)
			if err != nil {
				return nil, err
			}
			return r.e.begin(lsid, r.txnNumber, snap, ts), nil
		})
		if err == nil {
			r.tx.level, r.tx.api = r.level, bytes.Clone(apiParameters(r.cmd))
		}
		return err
	}
	r.tx, err = r.openTransaction()
	return err
}

// checkEnding refuses a transaction that begins with its end.
func (r *request) checkEnding() error {
	if !r.start {
		return nil
	}
	what := "a commit"
	if r.name == "abortTransaction" {
		what = "an abort"
	}
	return mongoerr.New(mongoerr.OperationNotSupportedInTxn, "Cannot start a transaction with %s", what)
}
