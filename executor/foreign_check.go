package executor

import (
	"context"
	"strconv"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/catalog"
	"weir/engine/value"
	"weir/mongoerr"
	"weir/parser/ast"
	"weir/sqlerr"
	"weir/sqltype"
	"weir/store"
	"weir/translator"
)

// checkPresent tests that the keys of written rows are there.
func (e *execution) checkPresent(ctx context.Context, c *KeyCheck) error {
	var keys []key
	seen := map[string]bool{}
	for _, k := range c.keys {
		if k.hasNull() {
			if c.ref.Key.Match == 'f' && !k.allNull() {
				return keyViolation(c.ref).WithDetail("MATCH FULL does not allow mixing of null and nonnull key values.")
			}
			continue
		}
		if text := keyText(c.ref, k); !seen[text] {
			seen[text] = true
			if !e.st.Keys.Knows(c.ref.Key.OID, text) {
				keys = append(keys, k)
			}
		}
	}
	if len(keys) == 0 {
		return nil
	}
	if err := e.lockKeys(ctx, c.ref, keys, false); err != nil {
		return err
	}
	there, err := e.lookUp(ctx, e.q, c.ref, keys, false)
	if err != nil {
		return err
	}
	for _, k := range keys {
		text := keyText(c.ref, k)
		if there[text] != nil {
			e.st.Keys.Know(c.ref.Key.OID, text)
			continue
		}
		if err := e.absent(ctx, c.ref, k); err != nil {
			return err
		}
	}
	return nil
}

// absent is what a key that was not found means: nothing, when no row has it any
// more; a conflict, when another transaction has made it since this one began.
func (e *execution) absent(ctx context.Context, ref *translator.KeyRef, k key) error {
	still, err := e.lookUp(ctx, e.q, ref, []key{k}, true)
	if err != nil || len(still) == 0 {
		return err
	}
	var made map[string]key
	if !e.st.Keys.HasTaken(bucketOf(ref, k)) {
		if made, err = e.lookUp(ctx, e.st.Keys.Committed(), ref, []key{k}, false); err != nil {
			return err
		}
	}
	if len(made) > 0 {
		return mongoerr.New(mongoerr.WriteConflict, "The row that a foreign key refers to was made after the transaction began.").
			WithLabels("TransientTransactionError")
	}
	text, err := e.shownThere(ctx, ref, k)
	if err != nil {
		return err
	}
	return keyViolation(ref).WithDetail("Key (%s)=(%s) is not present in table %q.",
		strings.Join(ref.Key.Columns, ", "), text, ref.To.Name)
}

// checkUnreferenced tests that no row refers to keys that went. Another row may
// have one of them again, unless the key says RESTRICT.
func (e *execution) checkUnreferenced(ctx context.Context, c *KeyCheck) error {
	if err := e.lockKeys(ctx, c.ref, c.keys, true); err != nil {
		return err
	}
	used, err := e.lookUp(ctx, e.q, c.ref, c.keys, true)
	if err != nil || len(used) == 0 {
		return err
	}
	there := map[string]key{}
	if !c.restrict {
		if there, err = e.lookUp(ctx, e.q, c.ref, c.keys, false); err != nil {
			return err
		}
	}
	for _, k := range c.keys {
		text := keyText(c.ref, k)
		if used[text] == nil || there[text] != nil {
			continue
		}
		return referenced(c.ref).WithDetail("Key (%s)=(%s) is still referenced from table %q.",
			strings.Join(c.ref.Key.RefColumns, ", "), e.shown(c.ref, k), c.ref.From.Name)
	}
	return nil
}

// keyViolation and referenced are the two errors of a foreign key.
func keyViolation(ref *translator.KeyRef) *sqlerr.Error {
	return ofKey(ref, sqlerr.New(sqlerr.ForeignKeyViolation, "insert or update on table %q violates foreign key constraint %q", ref.From.Name, ref.Key.Name))
}

func referenced(ref *translator.KeyRef) *sqlerr.Error {
	return ofKey(ref, sqlerr.New(sqlerr.ForeignKeyViolation, "update or delete on table %q violates foreign key constraint %q on table %q",
		ref.To.Name, ref.Key.Name, ref.From.Name))
}

func ofKey(ref *translator.KeyRef, err *sqlerr.Error) *sqlerr.Error {
	err.Schema, err.Table, err.Constraint = ref.From.Schema, ref.From.Name, ref.Key.Name
	return err
}

// shown is a key as messages show it.
func (e *execution) shown(ref *translator.KeyRef, k key) string {
	var env *sqltype.Env
	if e.st.Session != nil {
		env = e.st.Session.Types()
	}
	parts := make([]string, len(k))
	for i, v := range k {
		b, err := sqltype.AppendText(nil, v, ref.Types[i], env)
		if err != nil {
			b = []byte(v.String())
		}
		parts[i] = string(b)
	}
	return strings.Join(parts, ", ")
}

// shownThere is a key as it stands in a row that refers to it.
func (e *execution) shownThere(ctx context.Context, ref *translator.KeyRef, k key) (string, error) {
	same := true
	for i, c := range ref.Key.Columns {
		same = same && typeOf(ref.From, c) == ref.Types[i].OID
	}
	if same {
		return e.shown(ref, k), nil
	}
	text := make([]string, len(ref.Key.Columns))
	for i, c := range ref.Key.Columns {
		text[i] = "format('%s', x." + ast.QuoteIdent(c) + ")"
	}
	_, cond, types, args := keyCondition(ref, ref.Key.Columns, []key{k})
	docs, prog, err := e.statement(ctx, e.q, "SELECT "+strings.Join(text, " || ', ' || ")+" FROM "+tableName(ref.From)+" AS x WHERE "+cond+" LIMIT 1", types, args)
	if err != nil || len(docs) == 0 {
		return e.shown(ref, k), err
	}
	return atPath(docs[0], prog.Columns[0].Path).Str(), nil
}

// lookUp finds which keys the referenced table has, or (referring) the other
// table refers to.
func (e *execution) lookUp(ctx context.Context, on store.Queryer, ref *translator.KeyRef, keys []key, referring bool) (map[string]key, error) {
	t, columns := ref.To, ref.Key.RefColumns
	if referring {
		t, columns = ref.From, ref.Key.Columns
	}
	list := columnList(ref, t, columns)
	found := map[string]key{}
	head := "SELECT DISTINCT " + list + " FROM " + tableName(t) + " AS x WHERE "
	if !referring {
		head = "SELECT " + list + " FROM " + tableName(t) + " AS x WHERE "
	}
	for len(keys) > 0 {
		n, cond, types, args := keyCondition(ref, columns, keys)
		docs, prog, err := e.statement(ctx, on, head+cond, types, args)
		if err != nil {
			return nil, err
		}
		for _, d := range docs {
			k := make(key, len(columns))
			for i, c := range prog.Columns {
				k[i] = plainKey(atPath(d, c.Path), ref.Types[i])
			}
			found[keyText(ref, k)] = k
		}
		keys = keys[n:]
	}
	return found, nil
}

// plainKey is a column of a result as keys hold it.
func plainKey(v value.Value, t sqltype.Type) value.Value {
	if t.OID.IsString() && v.Kind() == bson.TypeObjectID {
		return value.String(v.AsObjectID().Hex())
	}
	return v
}

// tableName names a table without those that inherit from it, but with its partitions.
func tableName(t *catalog.Table) string {
	name := ast.QuoteIdent(t.Schema) + "." + ast.QuoteIdent(t.Name)
	if t.Partitioned() {
		return name
	}
	return "ONLY " + name
}

// columnList is the columns as values of the key.
func columnList(ref *translator.KeyRef, t *catalog.Table, names []string) string {
	out := make([]string, len(names))
	for i, n := range names {
		out[i] = "x." + ast.QuoteIdent(n)
		if o := typeOf(t, n); !translator.SameKeyForm(o, ref.Types[i].OID) {
			out[i] += "::" + ref.Types[i].OID.String()
		}
	}
	return strings.Join(out, ", ")
}

func typeOf(t *catalog.Table, column string) sqltype.OID {
	for i := range t.Columns {
		if t.Columns[i].Name == column {
			return t.Columns[i].Type.OID
		}
	}
	return sqltype.Invalid
}

const (
	keyBatch   = 1000 // keys of one column in one look-up
	tupleBatch = 16   // keys of several columns
)

// keyCondition is the condition that a row has one of the first n keys, with the
// types and values of its parameters. There are few texts of it, so that plans
// can be kept.
func keyCondition(ref *translator.KeyRef, columns []string, keys []key) (n int, cond string, types []sqltype.OID, args []value.Value) {
	if len(columns) == 1 {
		n = min(len(keys), keyBatch)
		values := make([]value.Value, n)
		for i := range values {
			values[i] = keys[i][0]
		}
		return n, "x." + ast.QuoteIdent(columns[0]) + " = ANY ($1)", []sqltype.OID{ref.Types[0].OID.Array()}, []value.Value{value.ArrayFrom(values)}
	}
	n = min(len(keys), tupleBatch)
	arms := 1
	if n > 1 {
		arms = tupleBatch
	}
	var b strings.Builder
	for i := range arms {
		b.WriteString(map[bool]string{true: "(", false: " OR ("}[i == 0])
		for j, c := range columns {
			if j > 0 {
				b.WriteString(" AND ")
			}
			args, types = append(args, keys[min(i, n-1)][j]), append(types, ref.Types[j].OID)
			b.WriteString("x." + ast.QuoteIdent(c) + " = $" + strconv.Itoa(len(args)))
		}
		b.WriteByte(')')
	}
	return n, b.String(), types, args
}
