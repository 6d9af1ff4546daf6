package sqlfunc

import (
	"weir/engine/expr"
	"weir/engine/value"
	"weir/sqltype"
)

// evaluator is a local implementation. Unless a signature says otherwise it is
// not called with NULL arguments.
type evaluator func(c *expr.Context, a []value.Value) (value.Value, error)

// evaluators are the implementations by family.
var evaluators = []map[string]evaluator{
	compareFuncs, integerFuncs, floatFuncs, numericFuncs,
	textFuncs, bytesFuncs, formatFuncs,
	datetimeFuncs, datePartFuncs, mysqlDateFuncs, mysqlTextFuncs,
	jsonFuncs, jsonChangeFuncs, mysqlJSONFuncs,
	arrayFuncs, setFuncs, sessionFuncs, catalogFuncs, otherFuncs, bitFuncs,
	jsonPopulateFuncs, enumFuncs, tidFuncs, transitionFuncs, monitorFuncs, inetFuncs,
}

// Library makes the local operators: `$weir.IMPL` for every meaning that is
// implemented here, casts (value, typmod, explicit), and accumulators.
//
// Accumulators take the aggregate's arguments; ordered-set aggregates take the
// ordered value first, then the direct arguments, in the order of the values.
// Set-returning functions answer the array of their rows; a row of several
// columns is an array.
func (t *Table) Library() *Library {
	lib := &Library{Functions: map[string]expr.Function{}, Accumulators: accumulators()}
	lax := t.laxImpls()
	ps := &patterns{}
	for _, family := range append(evaluators, patternFamily(ps), jsonPathFamily(ps), seriesFuncs()) {
		for name, f := range family {
			lib.Functions[name] = expr.Function{MinArgs: 0, MaxArgs: -1, Eval: strict(f, lax[name])}
		}
	}
	t.addCasts(lib)
	addDefinedCasts(lib)
	return lib
}

// laxImpls are the meanings that are called with NULL arguments.
func (t *Table) laxImpls() map[string]bool {
	lax := map[string]bool{"json_record": true, ArrayPut: true}
	for _, f := range t.funcList {
		if f.NotStrict {
			lax[f.Impl] = true
		}
	}
	return lax
}

func strict(f evaluator, lax bool) evaluator {
	return func(c *expr.Context, a []value.Value) (value.Value, error) {
		for i := range a {
			if !lax && a[i].IsNullish() {
				return value.Null(), nil
			}
		}
		v, err := f(c, a)
		// Functions that read what others made shall not make ever more of it.
		if err == nil && v.Size() > maxBytes {
			return fail(tooLong())
		}
		return v, err
	}
}

// Implemented tells whether a meaning can be evaluated locally.
func Implemented(lib *Library, f *Func) bool {
	if f.Kind == Aggregate || f.Kind == OrderedSet {
		_, ok := lib.Accumulators[f.Impl]
		return ok
	}
	_, ok := lib.Functions[f.Impl]
	return ok
}

// addCasts adds casts between all pairs of types, and of their arrays.
func (t *Table) addCasts(lib *Library) {
	for _, from := range sqltype.Infos() {
		for _, to := range sqltype.Infos() {
			c, ok := t.Cast(from.OID, to.OID)
			if ok && c.Impl != "" {
				lib.Functions[c.Impl] = expr.Function{MinArgs: 1, MaxArgs: 3, Eval: castEvaluator(c.From, c.To)}
			}
		}
		for _, as := range []sqltype.OID{sqltype.Text, sqltype.Cstring, sqltype.JSON, sqltype.JSONB, sqltype.Regtype, sqltype.Text.Array()} {
			if as == sqltype.Text.Array() && !from.OID.IsArray() {
				continue
			}
			if c := t.Convert(from.OID, as); c.Impl != "" {
				if _, ok := lib.Functions[c.Impl]; !ok {
					lib.Functions[c.Impl] = expr.Function{MinArgs: 1, MaxArgs: 3, Eval: convertEvaluator(c.From, c.To)}
				}
			}
		}
	}
}
