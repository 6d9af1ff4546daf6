package session

import (
	"context"

	"weir/catalog"
	"weir/executor"
	"weir/parser/ast"
	"weir/sqlerr"
	"weir/sqltype"
	"weir/store"
	"weir/translator"
)

// deferral is the checks of foreign keys that wait for the end of the
// transaction, and what SET CONSTRAINTS said.
type deferral struct {
	checks []*executor.KeyCheck
	all    string            // "", DEFERRED, IMMEDIATE
	named  map[uint32]string // by the constraint's OID
	taken  map[int]bool      // buckets of keys that the transaction takes away
	known  map[knownKey]bool // keys that are there, and locked
}

type knownKey struct {
	of   uint32
	text string
}

// maxKnown bounds how many keys a transaction remembers.
const maxKnown = 100000

// keySession is the session as the executor keeps foreign keys in it.
type keySession struct{ s *Session }

var _ executor.KeySession = keySession{}

// Program implements executor.KeySession. The plans are kept with the session's.
func (k keySession) Program(ctx context.Context, sql string, types []sqltype.OID) (*translator.Program, error) {
	s := k.s
	given := make([]uint32, len(types))
	for i, t := range types {
		given[i] = uint32(t)
	}
	key := "\x00foreign\x00" + s.planKey(sql, given)
	if st := s.plans.get(key); st != nil {
		if q := st.cmd.(*query); s.valid(ctx, q) {
			return q.prog, nil
		}
	}
	stmt, err := parseOne(sql)
	if err != nil {
		return nil, err
	}
	env := s.planEnv()
	env.Strict = true
	q, err := s.planIn(ctx, env, stmt, types)
	if err != nil {
		return nil, err
	}
	s.plans.put(key, &prepared{cmd: q})
	return q.prog, nil
}

// Deferred implements executor.KeySession.
func (k keySession) Deferred(f *catalog.ForeignKey) bool {
	t := &k.s.tx
	if !f.Deferrable || t.store == nil {
		return false
	}
	if mode, ok := t.deferred.named[f.OID]; ok {
		return mode == "DEFERRED"
	}
	if t.deferred.all != "" {
		return t.deferred.all == "DEFERRED"
	}
	return f.Deferred
}

// Defer implements executor.KeySession.
func (k keySession) Defer(c *executor.KeyCheck) {
	k.s.tx.deferred.checks = append(k.s.tx.deferred.checks, c)
}

// Checked implements executor.KeySession.
func (k keySession) Checked(c *executor.KeyCheck) {
	if k.s.tx.store != nil {
		k.s.tx.log.noteCheck(c)
	}
}

// Committed implements executor.KeySession.
func (k keySession) Committed() store.Queryer { return k.s.access.Store }

// Took implements executor.KeySession.
func (k keySession) Took(bucket int) {
	d := &k.s.tx.deferred
	if d.taken == nil {
		d.taken = map[int]bool{}
	}
	d.taken[bucket], d.known = true, nil
}

// Know implements executor.KeySession.
func (k keySession) Know(of uint32, text string) {
	d := &k.s.tx.deferred
	if k.s.tx.store == nil || len(d.known) == maxKnown {
		return
	}
	if d.known == nil {
		d.known = map[knownKey]bool{}
	}
	d.known[knownKey{of, text}] = true
}

// Knows implements executor.KeySession.
func (k keySession) Knows(of uint32, text string) bool {
	return k.s.tx.deferred.known[knownKey{of, text}]
}

// HasTaken implements executor.KeySession.
func (k keySession) HasTaken(bucket int) bool { return k.s.tx.deferred.taken[bucket] }

// Stripe implements executor.KeySession.
func (k keySession) Stripe() uint32 { return k.s.start.ProcessID }

// checkDeferred makes the checks that waited, those of one constraint or of all.
func (s *Session) checkDeferred(ctx context.Context, of func(catalog.Reference) bool) error {
	var now, later []*executor.KeyCheck
	for _, c := range s.tx.deferred.checks {
		if of == nil || of(c.Constraint()) {
			now = append(now, c)
		} else {
			later = append(later, c)
		}
	}
	if len(now) == 0 || s.tx.store == nil {
		return nil
	}
	err := s.until(ctx, func() error { return executor.CheckKeys(ctx, s.stores(s.tx.store), now) })
	if err != nil {
		return err
	}
	for _, c := range now {
		s.tx.log.noteCheck(c)
	}
	s.tx.deferred.checks = later
	return nil
}

// setConstraints is SET CONSTRAINTS.
func (s *Session) setConstraints(ctx context.Context, stmt *ast.SetConstraints) (string, error) {
	const tag = "SET CONSTRAINTS"
	mode := map[bool]string{true: "DEFERRED", false: "IMMEDIATE"}[stmt.Deferred]
	if s.tx.status == 'I' {
		s.warn(sqlerr.NoActiveSQLTransaction, "SET CONSTRAINTS can only be used in transaction blocks")
		return tag, nil
	}
	d := &s.tx.deferred
	if stmt.Names == nil {
		d.all, d.named = mode, nil
		if stmt.Deferred {
			return tag, nil
		}
		return tag, s.checkDeferred(ctx, nil)
	}
	for _, n := range stmt.Names {
		found, err := s.constraintsNamed(ctx, n)
		if err != nil {
			return "", err
		}
		if d.named == nil {
			d.named = map[uint32]string{}
		}
		for _, oid := range found {
			d.named[oid] = mode
		}
	}
	if stmt.Deferred {
		return tag, nil
	}
	return tag, s.checkDeferred(ctx, func(r catalog.Reference) bool { return d.named[r.Key.OID] == mode })
}

// constraintsNamed are the deferrable constraints of a name on the search path.
func (s *Session) constraintsNamed(ctx context.Context, n *ast.Name) ([]uint32, error) {
	id := n.Last()
	snap, err := s.scoped().Snapshot(ctx, true)
	if err != nil {
		return nil, err
	}
	schemas := s.scoped().SearchPath()
	if q := n.Qualifier(); !q.IsZero() {
		schemas = []string{q.Name}
	}
	var out []uint32
	for _, schema := range schemas {
		for _, t := range snap.Tables {
			if t.Schema != schema {
				continue
			}
			for i := range t.ForeignKeys {
				switch k := &t.ForeignKeys[i]; {
				case k.Name != id.Name:
				case !k.Deferrable:
					return nil, sqlerr.New(sqlerr.WrongObjectType, "constraint \"%s\" is not deferrable", id.Text)
				default:
					out = append(out, k.OID)
				}
			}
			for _, k := range t.Checks {
				if k.Name == id.Name {
					return nil, sqlerr.New(sqlerr.WrongObjectType, "constraint \"%s\" is not deferrable", id.Text)
				}
			}
			for _, ix := range t.Indexes {
				if ix.Unique && ix.Name == id.Name {
					return nil, sqlerr.New(sqlerr.WrongObjectType, "constraint \"%s\" is not deferrable", id.Text)
				}
			}
		}
		if out != nil {
			return out, nil
		}
	}
	return nil, sqlerr.New(sqlerr.UndefinedObject, "constraint \"%s\" does not exist", id.Text)
}
