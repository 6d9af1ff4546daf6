package executor

import (
	"context"
	"io"
	"slices"

	"weir/translator"
)

// A pipeline that may have rounded a numeric fails. The statement is run again
// then, by a program that computes here what has too many digits for the store.

// aheadRows is how many rows are read before the first is given out of a program
// that may turn out to be the wrong one.
const aheadRows = 200

// readAhead reads the first rows of a query that may have to be run again.
func (r *Rows) readAhead(ctx context.Context) error {
	if r.kind != "SELECT" || r.cur == nil || !r.exec.b.Checks() {
		return nil
	}
	for len(r.ahead) < aheadRows {
		doc, err := r.cur.Next(ctx)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		r.ahead = append(r.ahead, slices.Clone(doc))
	}
	return nil
}

// exactly is the program to run after an error; nil: there is none, or the
// statement has written something that is not undone.
func (e *execution) exactly(ctx context.Context, err error) *translator.Bound {
	if !e.b.Rounded(err) || e.tx == nil && e.wrote && (e.prog.Write == nil || !single(e.prog.Write)) {
		return nil
	}
	b, err := e.b.Exactly(ctx)
	if err != nil {
		return nil // and the error of the first one tells why
	}
	return b
}
