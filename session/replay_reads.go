package session

import (
	"bytes"
	"context"
	"crypto/sha256"
	"hash"
	"io"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/catalog"
	"weir/engine/value"
	"weir/executor"
	"weir/store"
	"weir/translator"
)

// A block that is done again in another transaction must not belie what it has
// told the client: what was read within the transaction is read again and
// compared, and foreign keys are tested again.

// maxReads bounds how many statements that read are remembered.
const maxReads = 1000

// loggedRead is a statement that read in the store's transaction: n rows were
// fetched, whose sum is known.
type loggedRead struct {
	q    *query
	args []value.Value
	n    int
	all  bool // there were no more
	open bool // rows may still be fetched
	sum  hash.Hash
}

// noteRead remembers a read of the block.
func (l *writeLog) noteRead(q *query, args []value.Value) *loggedRead {
	if l.full || l.reads > maxReads {
		return nil
	}
	if l.reads++; l.reads > maxReads {
		l.writes = append(l.writes, loggedWrite{barrier: true})
		return nil
	}
	r := &loggedRead{q: q, args: args, open: true, sum: sha256.New()}
	l.writes = append(l.writes, loggedWrite{read: r})
	return r
}

func (r *loggedRead) row(doc bson.Raw) {
	r.n++
	_, _ = r.sum.Write(doc)
}

// noteCheck remembers a test of a foreign key.
func (l *writeLog) noteCheck(c *executor.KeyCheck) {
	if !l.full {
		l.writes = append(l.writes, loggedWrite{check: c})
	}
}

// repeatable tells whether the first n writes can be done again without the
// client's notice.
func (l *writeLog) repeatable(n int) bool {
	if l.full || n > len(l.writes) {
		return false
	}
	for _, w := range l.writes[:n] {
		if w.barrier || w.read != nil && w.read.open {
			return false
		}
	}
	return true
}

// noteComputed tells of a statement that writes what it computes from rows: when
// rows that it reads were changed before by an update that would be computed
// anew, it cannot be done again.
func (l *writeLog) noteComputed(q *query) {
	if l.full || selfContained(q.prog) {
		return
	}
	for _, w := range l.writes {
		for _, op := range w.ops {
			if op.Multi && w.ns != catalog.KeyLocks {
				l.writes = append(l.writes, loggedWrite{barrier: true})
				return
			}
		}
	}
}

var lookups = [][]byte{[]byte("$lookup\x00"), []byte("$unionWith\x00"), []byte("$graphLookup\x00")}

// selfContained tells whether a write reads no more than the rows that it writes.
func selfContained(p *translator.Program) bool {
	if p.Write == nil || len(p.With) > 0 || len(p.InitPlans()) > 0 || len(p.Fetches) > 0 || p.Root.From != "" || p.Root.Table != nil {
		return false
	}
	if p.Root.NS.Coll != "" && (p.Root.NS != p.Write.Table.NS || p.Write.Kind == translator.InsertRows) {
		return false
	}
	for _, stages := range [][]translator.Stage{p.Root.Remote, p.Root.Local} {
		for _, s := range stages {
			for _, l := range lookups {
				if bytes.Contains(s.Raw, l) {
					return false
				}
			}
		}
	}
	return true
}

// repeats does again in a transaction what a log holds beside writes, and tells
// whether it came out as before; reads only if asked to.
func (s *Session) repeats(tx store.Tx, reads bool) func(context.Context, *loggedWrite) (bool, error) {
	return func(ctx context.Context, w *loggedWrite) (bool, error) {
		switch {
		case w.check != nil:
			return true, executor.CheckKeys(ctx, s.stores(tx), []*executor.KeyCheck{w.check})
		case w.read != nil && reads:
			return s.sameRead(ctx, tx, w.read)
		}
		return true, nil
	}
}

func (s *Session) sameRead(ctx context.Context, tx store.Tx, was *loggedRead) (bool, error) {
	bound, err := was.q.prog.Bind(ctx, was.args, s.env)
	if err != nil {
		return false, err
	}
	rows, err := executor.Run(ctx, s.stores(tx), bound)
	if err != nil {
		return false, err
	}
	defer rows.Close()
	now := &loggedRead{sum: sha256.New()}
	for now.n < was.n {
		doc, err := rows.Next(ctx)
		if err == io.EOF {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		now.row(doc)
	}
	if !bytes.Equal(now.sum.Sum(nil), was.sum.Sum(nil)) {
		return false, nil
	}
	if was.all {
		_, err := rows.Next(ctx)
		return err == io.EOF, ignoreEnd(err)
	}
	return true, nil
}

func ignoreEnd(err error) error {
	if err == io.EOF {
		return nil
	}
	return err
}
