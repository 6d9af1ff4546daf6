package session

import (
	"context"
	"time"

	"weir/engine/value"
	"weir/executor"
	"weir/planner"
	"weir/sqlerr"
	"weir/translator"
)

// zeroProbe looks, once a lenient statement is done, for a zero among the
// divisors that it read: the pipelines themselves make it NULL and cannot tell.
type zeroProbe struct {
	prog    *translator.Program
	notices []*sqlerr.Error
}

// leastProbing is how long the look may take at least. It takes no longer than
// the statement took, so that no statement takes more than twice its time.
const leastProbing = 100 * time.Millisecond

// zeroProbes compiles the probes of a plan. What cannot be compiled says nothing.
func (s *Session) zeroProbes(plan *planner.Plan) []zeroProbe {
	var out []zeroProbe
	for _, p := range planner.ZeroProbes(plan, s.h.deps.Functions) {
		if prog, err := translator.Translate(p.Plan, s.translateOptions()); err == nil {
			out = append(out, zeroProbe{prog, p.Notices})
		}
	}
	return out
}

// warnOfZeros runs the probes and sends a warning for each division that met a
// zero. They read outside of the session's transaction, which they must not be
// able to break; what goes wrong in them is of no interest to the client.
func (s *Session) warnOfZeros(ctx context.Context, q *query, args []value.Value, took time.Duration) {
	if len(q.zeros) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, max(took, leastProbing))
	defer cancel()
	st := &executor.Stores{Main: s.access.Store, Session: s.quiet(), Catalog: relationEnv{s.env}, ReadOnly: true}
	for i := range q.zeros {
		p := &q.zeros[i]
		for j, met := range p.run(ctx, st, args) {
			if met {
				s.notice(p.notices[j])
			}
		}
	}
}

// run tells of each division whether its row shows a zero divisor.
func (p *zeroProbe) run(ctx context.Context, st *executor.Stores, args []value.Value) []bool {
	bound, err := p.prog.Bind(ctx, args, st.Session)
	if err != nil {
		return nil
	}
	rows, err := executor.Run(ctx, st, bound)
	if err != nil {
		return nil
	}
	defer rows.Close()
	doc, err := rows.Next(ctx)
	if err != nil {
		return nil
	}
	cols := make([]column, len(p.prog.Columns))
	for i, c := range p.prog.Columns {
		cols[i] = column{name: c.Name, path: c.Path, typ: c.Type}
	}
	met := make([]bool, len(cols))
	for i, v := range encoder(cols, nil, nil).Values(doc) {
		met[i] = v.AsBool()
	}
	return met
}

// quietEnv is the session for what the client did not ask for: no notices.
type quietEnv struct{ *env }

// Notice drops what the statement itself has told already.
func (quietEnv) Notice(*sqlerr.Error) {}

func (s *Session) quiet() quietEnv { return quietEnv{s.env} }
