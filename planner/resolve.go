package planner

import (
	"slices"
	"strings"

	"weir/sqlerr"
	"weir/sqlfunc"
	"weir/sqltype"
)

// candidate is a signature laid over the arguments of a call: the declared
// type for each of them.
type candidate struct {
	fn   *sqlfunc.Func
	op   *sqlfunc.Operator
	args []sqltype.OID
	perm []int // argument i of the call is parameter perm[i]; nil: in order
	vari bool  // made by repeating a variadic parameter
}

func (b *builder) accepts(from, to sqltype.OID) bool {
	if from == to || from == sqltype.Unknown {
		return true
	}
	switch to {
	case sqltype.Any, sqltype.AnyElement, sqltype.AnyCompatible:
		return true
	case sqltype.AnyArray, sqltype.AnyCompatibleArray:
		return itemOf(from) != sqltype.Invalid
	case sqltype.AnyNonArray, sqltype.AnyCompatibleNonArray:
		return !from.IsArray()
	case sqltype.AnyEnum:
		return from.IsEnum()
	}
	return b.implicitly(from, to)
}

// consistent tells whether the polymorphic types of a signature can stand for
// the arguments together.
func (b *builder) consistent(c candidate, in []sqltype.OID) bool {
	var elem sqltype.OID
	var compat []Expr
	for i, w := range c.args {
		t := in[i]
		if w == sqltype.AnyArray || w == sqltype.AnyCompatibleArray {
			t = itemOf(t)
		}
		if t == sqltype.Invalid || t == sqltype.Unknown {
			continue
		}
		switch w {
		case sqltype.AnyElement, sqltype.AnyNonArray, sqltype.AnyArray, sqltype.AnyEnum:
			if elem != sqltype.Invalid && elem != t {
				return false
			}
			elem = t
		case sqltype.AnyCompatible, sqltype.AnyCompatibleNonArray, sqltype.AnyCompatibleArray:
			compat = append(compat, null(sqltype.Of(t), 0))
		}
	}
	if elem == sqltype.Invalid && b.strict() && slices.Contains(c.args, sqltype.AnyEnum) {
		return false // nothing tells which one
	}
	if len(compat) < 2 {
		return true
	}
	_, err := b.commonType(compat, "arguments")
	return err == nil
}

// choose is PostgreSQL's choice among signatures for argument types. many
// tells that several were left.
func (b *builder) choose(cands []candidate, in []sqltype.OID) (best *candidate, many bool) {
	if c := exactMatch(cands, in); c != nil {
		return c, false
	}
	var fit []candidate
	for _, c := range cands {
		ok := true
		for i, t := range in {
			if !b.accepts(t, c.args[i]) {
				ok = false
				break
			}
		}
		if ok && b.consistent(c, in) {
			fit = append(fit, c)
		}
	}
	fit = preferPlain(fit)
	if len(fit) <= 1 {
		return one(fit), false
	}
	fit = keepMost(fit, func(c candidate) int { return countArgs(c, in, b.exact) })
	if len(fit) == 1 {
		return one(fit), false
	}
	fit = keepMost(fit, func(c candidate) int {
		return countArgs(c, in, func(t, want sqltype.OID) bool {
			return b.exact(t, want) || want.Preferred() && want.Category() == t.Category()
		})
	})
	if len(fit) == 1 {
		return one(fit), false
	}
	return b.chooseUnknown(fit, in)
}

// preferPlain drops variadic expansions where a plain signature of the same
// types is there.
func preferPlain(fit []candidate) []candidate {
	var plain []candidate
	for _, c := range fit {
		if !c.vari {
			plain = append(plain, c)
		}
	}
	if len(plain) == 0 || len(plain) == len(fit) {
		return fit
	}
	out := plain
	for _, c := range fit {
		if c.vari {
			same := false
			for _, p := range plain {
				same = same || sameOIDs(p.args, c.args)
			}
			if !same {
				out = append(out, c)
			}
		}
	}
	return out
}

func sameOIDs(a, b []sqltype.OID) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

func one(fit []candidate) *candidate {
	if len(fit) == 0 {
		return nil
	}
	return &fit[0]
}

func exactMatch(cands []candidate, in []sqltype.OID) *candidate {
	for i := range cands {
		if sameOIDs(cands[i].args, in) {
			return &cands[i]
		}
	}
	return nil
}

// exact counts varchar and text as one, as PostgreSQL's candidates do not, but
// getBaseType and binary coercibility decide the same way in the end.
func (b *builder) exact(t, want sqltype.OID) bool { return t == want && t != sqltype.Unknown }

func countArgs(c candidate, in []sqltype.OID, ok func(t, want sqltype.OID) bool) int {
	n := 0
	for i, t := range in {
		if t != sqltype.Unknown && ok(t, c.args[i]) {
			n++
		}
	}
	return n
}

func keepMost(fit []candidate, score func(candidate) int) []candidate {
	best, out := -1, []candidate(nil)
	for _, c := range fit {
		switch s := score(c); {
		case s > best:
			best, out = s, []candidate{c}
		case s == best:
			out = append(out, c)
		}
	}
	return out
}

// chooseUnknown settles literals of unknown type: by the category that the
// candidates accept there, strings before others, then by the known types.
func (b *builder) chooseUnknown(fit []candidate, in []sqltype.OID) (*candidate, bool) {
	all := fit
	unknowns := false
	resolved := true
	cats := make([]byte, len(in))
	for i, t := range in {
		if t != sqltype.Unknown {
			continue
		}
		unknowns = true
		cats[i] = categoryAt(fit, i)
		if cats[i] == 0 {
			resolved = false
		}
	}
	if !unknowns {
		return nil, true
	}
	if resolved {
		if kept := keepCategories(fit, in, cats); len(kept) > 0 {
			fit = kept
		}
		if len(fit) == 1 {
			return one(fit), false
		}
	}
	return b.chooseKnown(all, fit, in)
}

// chooseKnown takes the unknown arguments to be of the type that all known
// ones have.
func (b *builder) chooseKnown(all, fit []candidate, in []sqltype.OID) (*candidate, bool) {
	known := sqltype.Unknown
	for _, t := range in {
		if t == sqltype.Unknown {
			continue
		}
		if known != sqltype.Unknown && known != t {
			return nil, true
		}
		known = t
	}
	if known == sqltype.Unknown {
		return nil, true
	}
	var left []candidate
	same := make([]sqltype.OID, len(in))
	for i := range same {
		same[i] = known
	}
	for _, c := range all {
		ok := true
		for i := range in {
			ok = ok && b.accepts(known, c.args[i])
		}
		if ok && b.consistent(c, same) {
			left = append(left, c)
		}
	}
	if len(left) == 1 {
		return &left[0], false
	}
	return nil, true
}

// categoryAt is the category that candidates accept at a position: S if any
// takes a string, else the one that all take, else 0.
func categoryAt(fit []candidate, i int) byte {
	var cat byte
	for _, c := range fit {
		k := c.args[i].Category()
		switch {
		case k == 'S':
			return 'S'
		case cat == 0:
			cat = k
		case cat != k:
			cat = 'x'
		}
	}
	if cat == 'x' {
		return 0
	}
	return cat
}

func keepCategories(fit []candidate, in []sqltype.OID, cats []byte) []candidate {
	var kept []candidate
	for _, c := range fit {
		ok := true
		for i := range in {
			if cats[i] == 0 {
				continue
			}
			if c.args[i].Category() != cats[i] {
				ok = false
			} else if !c.args[i].Preferred() && preferredAt(fit, i, cats[i]) {
				ok = false
			}
		}
		if ok {
			kept = append(kept, c)
		}
	}
	return kept
}

func preferredAt(fit []candidate, i int, cat byte) bool {
	for _, c := range fit {
		if c.args[i].Category() == cat && c.args[i].Preferred() {
			return true
		}
	}
	return false
}

// operatorCandidates lays the operators of a name over one or two operands.
func (b *builder) operatorCandidates(name string, n int) []candidate {
	var out []candidate
	for _, op := range b.env.Funcs.Operators(name) {
		switch {
		case n == 1 && op.Left == 0:
			out = append(out, candidate{fn: op.Func, op: op, args: []sqltype.OID{op.Right}})
		case n == 2 && op.Left != 0:
			out = append(out, candidate{fn: op.Func, op: op, args: []sqltype.OID{op.Left, op.Right}})
		}
	}
	return out
}

// findOperator chooses an operator for operand types.
func (b *builder) findOperator(name string, in []sqltype.OID) (*candidate, bool) {
	cands := b.operatorCandidates(name, len(in))
	if len(in) == 2 && (in[0] == sqltype.Unknown) != (in[1] == sqltype.Unknown) {
		same := in[0]
		if same == sqltype.Unknown {
			same = in[1]
		}
		if c := exactMatch(cands, []sqltype.OID{same, same}); c != nil {
			return c, false
		}
		// Types such as varchar compare as the type that they are stored like.
		if base := stringBase(same); base != same {
			if c := exactMatch(cands, []sqltype.OID{base, base}); c != nil {
				return c, false
			}
		}
	}
	return b.choose(cands, in)
}

func stringBase(t sqltype.OID) sqltype.OID {
	if t == sqltype.Varchar {
		return sqltype.Text
	}
	return t
}

// operator binds an operator over operands that are bound.
func (b *builder) operator(name string, args []Expr, pos int) (Expr, error) {
	in := typesOf(args)
	c, many := b.findOperator(name, in)
	if c == nil {
		if fixed, ok, err := b.documentOperands(name, args); err != nil {
			return nil, err
		} else if ok {
			args = fixed
			c, many = b.findOperator(name, typesOf(args))
		}
	}
	if c == nil {
		if fixed, ok := b.narrowed(args); ok {
			args = fixed
			c, many = b.findOperator(name, typesOf(args))
		}
	}
	if c == nil {
		return nil, operatorError(name, in, many, pos)
	}
	out, err := b.apply(c, args, pos)
	b.warnZeroDivisor(out)
	sameRows(out)
	return out, err
}

// warnZeroDivisor tells of a division by a constant zero, which is NULL unless
// the session is strict.
func (b *builder) warnZeroDivisor(e Expr) {
	c, ok := e.(*Call)
	if !ok || b.strict() || !divides(c) {
		return
	}
	if b.inView > 0 {
		c.P = 0
		return
	}
	divisor := c.Args[1]
	for cast, is := divisor.(*Cast); is; cast, is = divisor.(*Cast) {
		divisor = cast.X
	}
	if k, ok := divisor.(*Const); ok && k.Value.IsNumber() && !k.Value.IsNaN() && k.Value.AsDouble() == 0 {
		n := zeroNotice(c)
		b.warn(n.Code, n.Position, n.Hint, "%s", n.Message)
	}
}

func typesOf(args []Expr) []sqltype.OID {
	in := make([]sqltype.OID, len(args))
	for i, a := range args {
		in[i] = a.Type().OID
	}
	return in
}

func operatorError(name string, in []sqltype.OID, many bool, pos int) error {
	sig := name + " " + in[0].String()
	if len(in) == 2 {
		sig = in[0].String() + " " + name + " " + in[1].String()
	}
	if many {
		return sqlerr.New(sqlerr.AmbiguousFunction, "operator is not unique: %s", sig).At(pos).
			WithHint("Could not choose a best candidate operator. You might need to add explicit type casts.")
	}
	return sqlerr.New(sqlerr.UndefinedFunction, "operator does not exist: %s", sig).At(pos).
		WithHint("No operator matches the given name and argument types. You might need to add explicit type casts.")
}

// functionCandidates lays the signatures over n arguments; names are those of
// named arguments, "" for positional ones.
func functionCandidates(funcs []*sqlfunc.Func, names []string) []candidate {
	n := len(names)
	var out []candidate
	for _, f := range funcs {
		switch {
		case n > 0 && names[n-1] != "":
			if c, ok := namedCandidate(f, names); ok {
				out = append(out, c)
			}
		case f.Variadic && n >= len(f.Args)-f.Optional:
			args := append([]sqltype.OID(nil), f.Args...)
			for len(args) < n {
				args = append(args, f.Args[len(f.Args)-1])
			}
			out = append(out, candidate{fn: f, args: args[:n], vari: true})
		case !f.Variadic && n <= len(f.Args) && n >= len(f.Args)-f.Optional:
			out = append(out, candidate{fn: f, args: f.Args[:n]})
		}
	}
	return out
}

// namedCandidate places named arguments; optional parameters between them may
// be left out only at the end.
func namedCandidate(f *sqlfunc.Func, names []string) (candidate, bool) {
	c := candidate{fn: f, perm: make([]int, len(names))}
	used := make([]bool, len(f.Args))
	for i, name := range names {
		at := i
		if name != "" {
			at = -1
			for j, a := range f.ArgNames {
				if a == name {
					at = j
				}
			}
		}
		if at < 0 || at >= len(f.Args) || used[at] {
			return c, false
		}
		used[at], c.perm[i] = true, at
		c.args = append(c.args, f.Args[at])
	}
	for j := range f.Args {
		if !used[j] && j < len(f.Args)-f.Optional {
			return c, false
		}
	}
	return c, true
}

// variadicError is functionError for a call with VARIADIC.
func variadicError(funcs []*sqlfunc.Func, in []sqltype.OID, pos int) error {
	if in[len(in)-1].IsArray() {
		return nil
	}
	for _, f := range funcs {
		if f.Variadic && f.Args[len(f.Args)-1] == sqltype.Any {
			return sqlerr.New(sqlerr.DatatypeMismatch, "VARIADIC argument must be an array").At(pos)
		}
	}
	return nil
}

func functionError(name string, in []sqltype.OID, many bool, pos int) error {
	words := make([]string, len(in))
	for i, t := range in {
		words[i] = t.String()
	}
	sig := name + "(" + strings.Join(words, ", ") + ")"
	if many {
		return sqlerr.New(sqlerr.AmbiguousFunction, "function %s is not unique", sig).At(pos).
			WithHint("Could not choose a best candidate function. You might need to add explicit type casts.")
	}
	return sqlerr.New(sqlerr.UndefinedFunction, "function %s does not exist", sig).At(pos).
		WithHint("No function matches the given name and argument types. You might need to add explicit type casts.")
}
