package sqlfunc

import (
	"cmp"
	"fmt"
	"sort"
	"strings"

	"weir/sqltype"
)

// functionRow is a function as the tables list it: its OID, its signature
//
//	name(arg, …) result [(column:type, …)]
//
// where an argument is [variadic] [name:]type[?] (? may be left out), the
// meaning ("" is the name), and flags: s stable, v volatile, n called with
// NULL, o ordered-set aggregate.
type functionRow struct {
	oid   uint32
	sig   string
	impl  string
	flags string
}

// operatorRow is an operator: OID, "left name right", result, the OID and name
// of its function, the meaning, commutator, negator, flags of the function.
type operatorRow struct {
	oid        uint32
	sig        string
	result     string
	funcOID    uint32
	funcName   string
	impl       string
	commutator string
	negator    string
	flags      string
}

type castRow struct {
	from, to string
	context  byte
	method   byte
}

type castKey struct{ from, to sqltype.OID }

// Table holds all signatures. It is not changed after New.
type Table struct {
	functions map[string][]*Func
	operators map[string][]*Operator
	casts     map[castKey]*Cast
	funcList  []*Func
	opList    []*Operator
	castList  []*Cast
	byOID     map[uint32]*Func
}

// New makes the table.
func New() *Table {
	t := &Table{functions: map[string][]*Func{}, operators: map[string][]*Operator{}, casts: map[castKey]*Cast{}, byOID: map[uint32]*Func{}}
	for _, rows := range scalarTables {
		t.addFunctions(rows, Scalar)
	}
	for _, rows := range mysqlTables {
		t.addFunctions(rows, Scalar)
	}
	t.addFunctions(functionsSet, SetReturning)
	t.addFunctions(functionsAggregate, Aggregate)
	t.addFunctions(functionsMySQLAggregate, Aggregate)
	t.addFunctions(functionsWindow, Window)
	for _, rows := range operatorTables {
		t.addOperators(rows)
	}
	for _, r := range casts {
		t.addCast(r)
	}
	for _, f := range t.funcList {
		f.AnyAs = anyAs(f)
	}
	return t
}

var scalarTables = [][]functionRow{
	functionsMath, functionsText, functionsDatetime, functionsJson, functionsArray, functionsUuid, functionsTransition,
	functionsConditional, functionsSession, functionsSequence, functionsCatalog, functionsPrivilege, functionsExtra, functionsMonitor, functionsInet, functionsBit, functionsEnum,
}

// ofSessions are the meanings that only a client's session has, or a database's catalog.
var ofSessions = func() map[string]bool {
	m := map[string]bool{"pg_sleep": true, "pg_sleep_for": true, "pg_sleep_until": true}
	for _, rows := range [][]functionRow{functionsSession, functionsSequence, functionsCatalog, functionsPrivilege, functionsMonitor} {
		for _, r := range rows {
			name, _, _ := strings.Cut(r.sig, "(")
			m[cmp.Or(r.impl, name)] = true
		}
	}
	for _, name := range []string{"pg_typeof", "pg_column_size", "pg_size_pretty", "pg_size_bytes", "getdatabaseencoding", "pg_client_encoding", "format_type"} {
		delete(m, name)
	}
	return m
}()

// OfSession tells that a function's answer depends on who asks, or that it acts on the
// session: conditions that no client runs cannot call it.
func (f *Func) OfSession() bool { return ofSessions[f.Impl] }

var operatorTables = [][]operatorRow{
	operatorsCompare, operatorsCompareOther, operatorsNumber, operatorsText, operatorsDatetime, operatorsJson, operatorsArray, operatorsBit, operatorsEnum,
}

var mysqlTables = [][]functionRow{functionsMySQLDate, functionsMySQLText, functionsMySQLJSON, functionsMySQLOther}

// firstExtraOID numbers functions that PostgreSQL 15 does not have.
const firstExtraOID = 15000

// Extra tells that PostgreSQL 15 has no such signature: MySQL's and our own.
func (f *Func) Extra() bool { return f.OID >= firstExtraOID && f.OID < firstUserOID }

const firstUserOID = 16384

func (t *Table) addFunctions(rows []functionRow, kind Kind) {
	for _, r := range rows {
		f := parseSignature(r.sig)
		f.OID, f.Impl, f.Kind = r.oid, r.impl, kind
		if f.OID == 0 {
			f.OID = firstExtraOID + uint32(len(t.funcList))
		}
		if f.Impl == "" {
			f.Impl = f.Name
		}
		setFlags(f, r.flags)
		t.addFunc(f)
	}
}

func (t *Table) addFunc(f *Func) {
	t.functions[f.Name] = append(t.functions[f.Name], f)
	t.funcList = append(t.funcList, f)
	t.byOID[f.OID] = f
}

func setFlags(f *Func, flags string) {
	for _, c := range flags {
		switch c {
		case 's':
			f.Volatility = Stable
		case 'v':
			f.Volatility = Volatile
		case 'n':
			f.NotStrict = true
		case 'o':
			f.Kind = OrderedSet
		}
	}
}

func (t *Table) addOperators(rows []operatorRow) {
	for _, r := range rows {
		parts := strings.Fields(r.sig)
		op := &Operator{OID: r.oid, Commutator: r.commutator, Negator: r.negator}
		if len(parts) == 3 {
			op.Left, parts = typeNamed(parts[0]), parts[1:]
		}
		op.Name, op.Right = parts[0], typeNamed(parts[1])
		op.Func = t.operatorFunc(r, op)
		t.operators[op.Name] = append(t.operators[op.Name], op)
		t.opList = append(t.opList, op)
	}
}

// operatorFunc is the function behind an operator; two operators may share one.
func (t *Table) operatorFunc(r operatorRow, op *Operator) *Func {
	if f := t.byOID[r.funcOID]; f != nil {
		return f
	}
	f := &Func{OID: r.funcOID, Name: r.funcName, Impl: r.impl, Ret: typeNamed(r.result)}
	if op.Left != 0 {
		f.Args = append(f.Args, op.Left)
	}
	f.Args = append(f.Args, op.Right)
	setFlags(f, r.flags)
	if t.hasVariadic(f) {
		// A call by name means the one whose last argument repeats.
		t.funcList, t.byOID[f.OID] = append(t.funcList, f), f
		return f
	}
	t.addFunc(f)
	return f
}

// hasVariadic tells whether there is a function like f that takes the elements
// of f's last array as arguments.
func (t *Table) hasVariadic(f *Func) bool {
	last := len(f.Args) - 1
	for _, have := range t.functions[f.Name] {
		if have.Variadic && len(have.Args) == len(f.Args) && have.Args[0] == f.Args[0] && have.Args[last].Array() == f.Args[last] {
			return true
		}
	}
	return false
}

// typeNamed reads a type of the tables: int4, text[].
func typeNamed(name string) sqltype.OID {
	if base, ok := strings.CutSuffix(name, "[]"); ok {
		name = "_" + base
	}
	info := sqltype.Named(name)
	if info == nil {
		panic(fmt.Sprintf("sqlfunc: the tables name an unknown type %q", name))
	}
	return info.OID
}

// parseSignature reads a signature of the tables.
func parseSignature(sig string) *Func {
	open := strings.IndexByte(sig, '(')
	end := strings.IndexByte(sig, ')')
	f := &Func{Name: sig[:open]}
	if schema, name, ok := strings.Cut(f.Name, "."); ok {
		f.Schema, f.Name = schema, name
	}
	if args := sig[open+1 : end]; args != "" {
		for i, a := range strings.Split(args, ", ") {
			parseArg(f, i, a)
		}
	}
	ret, cols, ok := strings.Cut(strings.TrimSpace(sig[end+1:]), " (")
	f.Ret = typeNamed(ret)
	if ok {
		for _, c := range strings.Split(strings.TrimSuffix(cols, ")"), ", ") {
			name, typ, _ := strings.Cut(c, ":")
			f.Columns = append(f.Columns, Column{Name: name, Type: typeNamed(typ)})
		}
	}
	return f
}

func parseArg(f *Func, i int, a string) {
	a, variadic := strings.CutPrefix(a, "variadic ")
	a, optional := strings.CutSuffix(a, "?")
	name, typ, named := strings.Cut(a, ":")
	if !named {
		name, typ = "", a
	}
	f.Variadic = f.Variadic || variadic
	if optional {
		f.Optional++
	}
	if named && f.ArgNames == nil {
		f.ArgNames = make([]string, i)
	}
	if f.ArgNames != nil {
		f.ArgNames = append(f.ArgNames, name)
	}
	f.Args = append(f.Args, typeNamed(typ))
}

// Functions are the signatures of a name in lower case.
func (t *Table) Functions(name string) []*Func { return t.functions[name] }

// Function finds a function by its OID; nil if there is none.
func (t *Table) Function(oid uint32) *Func { return t.byOID[oid] }

// Operators are the operators of a name.
func (t *Table) Operators(name string) []*Operator { return t.operators[name] }

// All lists the functions in the tables' order, for pg_proc.
func (t *Table) All() []*Func { return t.funcList }

// AllOperators lists the operators, for pg_operator.
func (t *Table) AllOperators() []*Operator { return t.opList }

// AllCasts lists the rows of pg_cast.
func (t *Table) AllCasts() []*Cast { return t.castList }

// Names lists the functions' names in order, to suggest near ones.
func (t *Table) Names() []string {
	names := make([]string, 0, len(t.functions))
	for n := range t.functions {
		names = append(names, n)
	}
	sort.Strings(names)
	return names
}

// anyAs decides how a function takes arguments of any type.
func anyAs(f *Func) sqltype.OID {
	hasAny := false
	for _, a := range f.Args {
		switch a {
		case sqltype.Any, sqltype.AnyElement, sqltype.AnyArray, sqltype.AnyNonArray, sqltype.Record:
			hasAny = true
		}
	}
	if !hasAny {
		return sqltype.Invalid
	}
	return anyConversions[f.Impl]
}
