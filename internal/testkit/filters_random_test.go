package testkit_test

import (
	"math/rand/v2"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// filters makes random documents, writes of them, and filters of their events:
// values are few, so that they meet.
type filters struct{ *rand.Rand }

func newFilters(seed uint64) *filters { return &filters{rand.New(rand.NewPCG(seed, 11))} }

func pick[T any](r *filters, of ...T) T { return of[r.IntN(len(of))] }

// scalar is a value of any kind, most of them words.
func (r *filters) scalar() any {
	decimal, _ := bson.ParseDecimal128(pick(r, "5", "5.0", "2.50", "1E+3"))
	switch r.IntN(12) {
	case 0:
		return nil
	case 1:
		return pick(r, true, false)
	case 2:
		return pick[int32](r, 0, 5, 7, -3)
	case 3:
		return pick[int64](r, 5, 1<<40)
	case 4:
		return pick(r, 5.0, 2.5, -3.25)
	case 5:
		return decimal
	case 6:
		return pick(r, "5", "2.5", "7x", "")
	case 7:
		return time.UnixMilli(pick[int64](r, 0, 1_700_000_000_123)).UTC()
	}
	return pick(r, "new", "paid", "Paid", "sent", "p_d")
}

func (r *filters) value() any {
	switch r.IntN(8) {
	case 0:
		out := bson.A{}
		for range r.IntN(3) {
			out = append(out, r.scalar())
		}
		return out
	case 1:
		return bson.D{{Key: "city", Value: r.scalar()}, {Key: "0", Value: r.scalar()}}
	}
	return r.scalar()
}

var filterFields = []string{"status", "total", "tags", "address", "items"}

// document gives some of the fields.
func (r *filters) document() bson.D {
	d := bson.D{}
	for _, f := range filterFields {
		switch {
		case r.IntN(4) == 0:
		case f == "items":
			items := bson.A{}
			for range r.IntN(3) {
				items = append(items, bson.D{{Key: "sku", Value: pick(r, "a", "b")}, {Key: "qty", Value: pick[int32](r, 1, 2, 3)}})
			}
			d = append(d, bson.E{Key: f, Value: items})
		default:
			d = append(d, bson.E{Key: f, Value: r.value()})
		}
	}
	return d
}

// update is an update document.
func (r *filters) update() bson.D {
	path := pick(r, "status", "total", "address.city", "tags", "items.0.qty", "extra")
	switch r.IntN(3) {
	case 0:
		return bson.D{{Key: "$unset", Value: bson.D{{Key: strings.TrimSuffix(path, ".0.qty"), Value: ""}}}}
	case 1:
		return bson.D{{Key: "$set", Value: bson.D{{Key: "status", Value: r.scalar()}, {Key: "note", Value: r.scalar()}}}}
	}
	return bson.D{{Key: "$set", Value: bson.D{{Key: path, Value: r.scalar()}}}}
}

// where is a WHERE over the columns of CHANGE_STREAM_EVENTS().
func (r *filters) where(depth int) string {
	if depth == 0 && r.IntN(4) == 0 {
		return r.failing()
	}
	return r.condition(depth)
}

func (r *filters) condition(depth int) string {
	if depth > 0 {
		switch r.IntN(8) {
		case 0, 1:
			return "(" + r.condition(depth-1) + " AND " + r.condition(depth-1) + ")"
		case 2, 3:
			return "(" + r.condition(depth-1) + " OR " + r.condition(depth-1) + ")"
		case 4:
			return "NOT (" + r.condition(depth-1) + ")"
		case 5:
			return "(" + r.condition(depth-1) + ") IS " + pick(r, "TRUE", "NOT TRUE", "FALSE", "NOT FALSE", "UNKNOWN", "NOT UNKNOWN")
		}
	}
	return r.atom()
}

// failing is a condition that fails for some events: what stands beside it may be
// asked first.
func (r *filters) failing() string {
	doc := pick(r, "full_document", "full_document_before_change", "event_data")
	if r.IntN(2) == 0 {
		return "jsonb_path_match(" + doc + ", " + pick(r, `'$.status'`, `'$.total > 4'`, `'exists($.items[*])'`) + ")"
	}
	return "(" + doc + "->>'total')::" + pick(r, "numeric", "int", "float8", "bool::int") + " >= 5"
}

func (r *filters) atom() string {
	doc := pick(r, "full_document", "full_document", "full_document_before_change", "event_data", "updated_fields", "update_description->'updatedFields'")
	text := doc + pick(r, "->>'status'", "->>'total'", "#>>'{address,city}'", "->>'tags'", "->'tags'->>0", "->'items'->0->>'sku'")
	json := doc + pick(r, "->'status'", "->'total'", "->'tags'", "#>'{address,city}'", "->'items'")
	word := pick(r, "'new'", "'paid'", "'5'", "''", "NULL", "'true'")
	literal := pick(r, `'5'`, `'2.5'`, `'"paid"'`, `'null'`, `'true'`, `'["paid"]'`, `'{}'`) + "::jsonb"
	compare := pick(r, "=", "<>", "<", "<=", ">", ">=")
	switch r.IntN(26) {
	case 0, 1:
		return text + " " + compare + " " + word
	case 2:
		return text + pick(r, " IN ", " NOT IN ") + "(" + word + ", " + pick(r, "'paid'", "'sent'", "NULL") + ")"
	case 3:
		return text + pick(r, " LIKE ", " NOT LIKE ", " ILIKE ") + pick(r, "'p%'", "'%a%d'", `'p\_d'`, "'p_d'", "''")
	case 4:
		return text + pick(r, " ~ ", " !~ ", " ~* ") + pick(r, "'^p'", "'d$'", `'^\d+$'`, "'a|n'")
	case 5:
		return text + pick(r, " IS NULL", " IS NOT NULL", " IS DISTINCT FROM 'paid'", " IS NOT DISTINCT FROM NULL")
	case 6:
		return json + " " + compare + " " + literal
	case 7:
		return doc + pick(r, " @> ", " <@ ") + pick(r, `'{"status": "paid"}'`, `'{"address": {"city": "paid"}}'`, `'{"tags": ["paid"]}'`, `'{"total": 5}'`, `'{}'`)
	case 8:
		return doc + pick(r, " ? 'status'", " ?| ARRAY['status', 'total']", " ?& ARRAY['status', 'total']", " ? 'address'")
	case 9:
		return "jsonb_typeof(" + json + ") " + pick(r, "=", "<>") + " " + pick(r, "'number'", "'string'", "'array'", "'null'")
	case 10:
		return "CASE WHEN jsonb_typeof(" + doc + "->'total') = 'number' THEN (" + doc + "->>'total')::numeric " + compare + " 5 END"
	case 11:
		return "(document_key->>'_id')::numeric " + compare + " 50.0"
	case 12:
		return pick(r, "'status' = ANY(removed_fields)", "removed_fields @> ARRAY['total']", "cardinality(removed_fields) > 0", "removed_fields IS NULL", "removed_fields = '{}'", "array_length(removed_fields, 1) = 1")
	case 13:
		return "event_type" + pick(r, " IN ('insert', 'update')", " <> 'delete'", " = 'replace'", " LIKE '%e'")
	case 14:
		return "full_document->>'status'" + pick(r, " = ", " <> ", " IS DISTINCT FROM ", " IS NOT DISTINCT FROM ") + "full_document_before_change->>'status'"
	case 15:
		return "jsonb_path_exists(" + doc + ", " + pick(r, `'$.items[*] ? (@.qty > 2)'`, `'$.total ? (@ > 4)'`, `'$.status ? (@ starts with "p")'`, `'$.tags[*] ? (@ == "paid")'`) + ")"
	case 16:
		return doc + pick(r, " @@ ", " @? ") + pick(r, `'$.items[*].qty > 2'`, `'$.total == 5'`, `'$.status like_regex "^p"'`)
	case 17:
		return "coalesce(" + text + ", 'none') " + compare + " 'none'"
	case 18:
		return pick(r, "length", "char_length", "octet_length") + "(" + text + ") > 3"
	case 19:
		return pick(r, "upper", "lower", "trim", "initcap") + "(" + text + ") = " + pick(r, "'PAID'", "'paid'", "'Paid'")
	case 20:
		return "(document_key->>'_id')::int % 2 = " + pick(r, "0", "1")
	case 21:
		return "left(" + text + ", 2) || right(" + text + ", 1) = " + pick(r, "'pad'", "'newb'")
	case 22:
		return text + " BETWEEN 'a' AND 'p'"
	case 23:
		return "CASE jsonb_typeof(" + doc + "->'tags') WHEN 'array' THEN jsonb_array_length(" + doc + "->'tags') > 1 ELSE " + pick(r, "NULL", "false", "true") + " END"
	case 24:
		return doc + " IS " + pick(r, "NULL", "NOT NULL")
	}
	return "greatest(" + text + ", 'm') " + compare + " " + pick(r, "'m'", "'paid'")
}

// filter is an event_filter.
func (r *filters) filter(depth int) bson.D {
	out := bson.D{}
	for range 1 + r.IntN(2) {
		path := pick(r, "operationType", "documentKey._id", "fullDocument.status", "fullDocument.status", "fullDocument.total", "fullDocument.tags", "fullDocument.address.city", "fullDocument.address.0",
			"fullDocument.items.qty", "fullDocument.items.0.sku", "fullDocument.tags.0", "fullDocumentBeforeChange.status", "updateDescription.updatedFields.status", "updateDescription.removedFields", "ns.coll", "missing.path")
		out = append(out, bson.E{Key: path, Value: r.test()})
	}
	if depth == 0 {
		return out
	}
	arms := bson.A{r.filter(depth - 1), r.filter(depth - 1)}
	switch r.IntN(5) {
	case 0, 1:
		return append(out, bson.E{Key: pick(r, "$or", "$and", "$nor"), Value: arms})
	case 2:
		return bson.D{{Key: pick(r, "$or", "$and", "$nor"), Value: arms}}
	case 3:
		return append(out, bson.E{Key: "$expr", Value: bson.D{{Key: pick(r, "$eq", "$ne", "$gt"), Value: bson.A{"$fullDocument.status", pick[any](r, "paid", "$fullDocumentBeforeChange.status", 5)}}}})
	}
	return out
}

// test is what a filter asks of a path: most often for one value, which is hashed.
func (r *filters) test() any {
	switch r.IntN(12) {
	case 0:
		return bson.D{{Key: "$eq", Value: r.scalar()}}
	case 1:
		return bson.D{{Key: pick(r, "$gt", "$gte", "$lt", "$lte", "$ne"), Value: r.scalar()}}
	case 2:
		return bson.D{{Key: pick(r, "$in", "$nin"), Value: bson.A{r.scalar(), r.scalar()}}}
	case 3:
		return bson.D{{Key: "$exists", Value: pick(r, true, false)}}
	case 4:
		return bson.D{{Key: "$not", Value: bson.D{{Key: "$eq", Value: r.scalar()}}}}
	case 5:
		return bson.D{{Key: "$type", Value: pick(r, "string", "number", "array", "null", "date")}}
	case 6:
		return bson.D{{Key: "$regex", Value: pick(r, "^p", "d$")}}
	case 7:
		return pick[any](r, "insert", "update", "docs", int32(3), "a", int64(2), 5.0)
	case 8:
		return bson.D{{Key: "$eq", Value: r.scalar()}, {Key: "$ne", Value: r.scalar()}}
	}
	return r.scalar()
}
