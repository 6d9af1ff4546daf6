package engine

import (
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

func (r *request) enterTransaction(c command) error {
	if r.name == "commitTransaction" || r.name == "abortTransaction" {
		return nil
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
	if !c.inTxn {
		return mongoerr.New(mongoerr.OperationNotSupportedInTxn, "Cannot run '%s' in a multi-document transaction.", r.name)
	}
	if isServersOwn(r.db) {
		return mongoerr.New(mongoerr.OperationNotSupportedInTxn, "Cannot run command against the '%s' database in a transaction.", r.db)
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
			r.tx.level = r.level
		}
		return err
	}
	r.tx, err = r.session.transaction(r.txnNumber)
	return err
}
