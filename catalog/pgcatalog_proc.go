package catalog

import (
	"context"

	"strings"

	"weir/sqlfunc"
	"weir/sqltype"
)

const (
	langInternal = 12
)

// builtinFunctions writes the functions that are built in, after those of the
// file that types and access methods name.
func builtinFunctions(ctx context.Context, r *reader) error {
	seen := map[uint32]bool{}
	for _, oid := range r.y.procs {
		seen[oid] = true
	}
	for _, f := range r.y.funcs.All() {
		if !seen[f.OID] {
			seen[f.OID] = true
			r.function(f)
		}
	}
	return nil
}

var prokinds = map[sqlfunc.Kind]byte{
	sqlfunc.Scalar: 'f', sqlfunc.SetReturning: 'f', sqlfunc.Aggregate: 'a', sqlfunc.OrderedSet: 'a', sqlfunc.Window: 'w',
}

var volatilities = map[sqlfunc.Volatility]byte{sqlfunc.Immutable: 'i', sqlfunc.Stable: 's', sqlfunc.Volatile: 'v'}

func (r *reader) function(f *sqlfunc.Func) {
	schema := "pg_catalog"
	if f.Schema != "" {
		schema = f.Schema
	}
	rows := 0
	if f.Kind == sqlfunc.SetReturning {
		rows = 100
	}
	args, variadic := f.Args, sqltype.Invalid
	if f.Variadic {
		args = append([]sqltype.OID(nil), args...)
		last := len(args) - 1
		if variadic = args[last]; variadic != sqltype.Any {
			args[last] = variadic.Array()
		}
	}
	all, modes, names := outArguments(f, args)
	r.add(f.OID, f.Name, r.y.c.SchemaOID(schema), owner, langInternal, 1, rows, variadic, 0, prokinds[f.Kind],
		false, false, !f.NotStrict, f.Kind == sqlfunc.SetReturning, volatilities[f.Volatility], byte('s'),
		len(args), f.Optional, f.Ret, args, all, modes, names, nil, nil, f.Impl, nil, nil, nil, nil)
}

// outArguments are proallargtypes, proargmodes and proargnames; NULL where
// there is nothing to tell.
func outArguments(f *sqlfunc.Func, args []sqltype.OID) (all, modes, names any) {
	if f.ArgNames != nil {
		names = f.ArgNames
	}
	if f.Columns == nil && !f.Variadic {
		return nil, nil, names
	}
	types := append([]sqltype.OID(nil), args...)
	kinds, titles := make([]string, len(args)), make([]string, len(args))
	for i := range args {
		kinds[i] = "i"
		if f.Variadic && i == len(args)-1 {
			kinds[i] = "v"
		}
		if i < len(f.ArgNames) {
			titles[i] = f.ArgNames[i]
		}
	}
	for _, c := range f.Columns {
		types, kinds, titles = append(types, c.Type), append(kinds, "o"), append(titles, c.Name)
	}
	if f.Columns != nil {
		names = titles
	}
	return types, kinds, names
}

// tableFunctions writes the table functions over live state.
func tableFunctions(ctx context.Context, r *reader) error {
	for _, t := range r.s.tableFunctions() {
		if r.hint.admits("oid", t.OID) {
			r.tableFunction(t)
		}
	}
	return nil
}

func (r *reader) tableFunction(t *Table) {
	var in, all []sqltype.OID
	var modes, names []string
	optional := 0
	for _, p := range t.Params {
		in, all = append(in, p.Type.OID), append(all, p.Type.OID)
		modes, names = append(modes, "i"), append(names, p.Name)
		if !p.Required {
			optional++
		}
	}
	for i := range t.Columns {
		c := &t.Columns[i]
		all, modes, names = append(all, c.Type.OID), append(modes, "t"), append(names, c.Name)
	}
	var defaults any
	if optional > 0 {
		defaults = strings.TrimSuffix(strings.Repeat("NULL, ", optional), ", ")
	}
	r.add(t.OID, t.Name, r.y.c.SchemaOID(t.Schema), owner, langInternal, 1, 1000, 0, 0, byte('f'),
		false, false, false, true, byte('v'), byte('u'),
		len(in), optional, sqltype.Record, in, all, modes, names, defaults, nil, t.Name, nil, nil, nil, nil)
}

func builtinOperators(ctx context.Context, r *reader) error {
	for _, op := range r.y.funcs.AllOperators() {
		kind := byte('b')
		if op.Left == 0 {
			kind = 'l'
		}
		equal := op.Name == "="
		r.add(op.OID, op.Name, PgCatalogOID, owner, kind, equal, equal, op.Left, op.Right, op.Func.Ret,
			r.operator(op.Commutator, op.Right, op.Left), r.operator(op.Negator, op.Left, op.Right), op.Func.OID, 0, 0)
	}
	return nil
}

// operator finds an operator's OID by its name and types; 0 if there is none.
func (r *reader) operator(name string, left, right sqltype.OID) uint32 {
	for _, op := range r.y.funcs.Operators(name) {
		if op.Left == left && op.Right == right {
			return op.OID
		}
	}
	return 0
}

// firstCastOID numbers the casts, in the order of the table.
const firstCastOID = 10050

func builtinCasts(ctx context.Context, r *reader) error {
	contexts := map[sqlfunc.CastContext]byte{sqlfunc.Explicit: 'e', sqlfunc.Assignment: 'a', sqlfunc.Implicit: 'i'}
	for i, c := range r.y.funcs.AllCasts() {
		method := byte('i')
		if c.Impl == "" {
			method = 'b'
		}
		r.add(firstCastOID+i, c.From, c.To, 0, contexts[c.Context], method)
	}
	return nil
}

func builtinAggregates(ctx context.Context, r *reader) error {
	for _, f := range r.y.funcs.All() {
		switch f.Kind {
		case sqlfunc.Aggregate:
			r.aggregate(f, 'n', 0)
		case sqlfunc.OrderedSet:
			r.aggregate(f, 'o', max(len(f.Args)-1, 0))
		}
	}
	return nil
}

func (r *reader) aggregate(f *sqlfunc.Func, kind byte, direct int) {
	r.add(f.OID, kind, direct, 0, 0, 0, 0, 0, 0, 0, 0, false, false, byte('r'), byte('r'), 0, sqltype.Internal, 0, 0, 0, nil, nil)
}
