package update_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/expr"
	"weir/engine/match"
	"weir/engine/update"
	"weir/engine/value"
	"weir/mongoerr"
)

// The golden files hold one JSON value a line:
//
//	update    document, filter, update, array filters (optional)
//	upsert    filter, update
//	diff      old document, new document
func TestGolden(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			in := inputs(t, d.Input)
			switch d.Cmd {
			case "update":
				return goldenUpdate(in)
			case "upsert":
				return goldenUpsert(in)
			case "diff":
				d := update.Diff(in[0].Doc(), in[1].Doc())
				if d == nil {
					return "the new document\n"
				}
				return plain(d.Document())
			}
			d.Fatalf(t, "unknown command %s", d.Cmd)
			return ""
		})
	})
}

func inputs(t *testing.T, text string) (out []value.Value) {
	for _, line := range strings.Split(text, "\n") {
		var d bson.Raw
		require.NoError(t, bson.UnmarshalExtJSON([]byte(`{"v":`+line+`}`), false, &d), line)
		out = append(out, value.Lookup(d, "v"))
	}
	return out
}

func plain(d bson.Raw) string {
	b, err := bson.MarshalExtJSON(d, false, false)
	if err != nil {
		return err.Error()
	}
	return string(b) + "\n"
}

func failed(err error) string { return fmt.Sprintf("error %d: %v\n", mongoerr.CodeOf(err), err) }

func goldenUpdate(in []value.Value) string {
	m, err := match.Compile(in[1].Doc(), nil)
	if err != nil {
		return failed(err)
	}
	opts := update.Options{}
	if len(in) > 3 {
		for it := value.Walk(in[3].Doc()); it.Next(); {
			opts.ArrayFilters = append(opts.ArrayFilters, it.Value().Doc())
		}
	}
	u, err := update.Compile(in[2].RawValue(), opts)
	if err != nil {
		return failed(err)
	}
	r, err := u.Apply(&expr.Context{}, in[0].Doc(), m)
	if err != nil {
		return failed(err)
	}
	if !r.Changed {
		return "unchanged\n"
	}
	out := plain(r.Doc)
	if r.Description != nil {
		out += plain(r.Description.Document())
	}
	return out
}

func goldenUpsert(in []value.Value) string {
	m, err := match.Compile(in[0].Doc(), nil)
	if err != nil {
		return failed(err)
	}
	u, err := update.Compile(in[1].RawValue(), update.Options{Upsert: true})
	if err != nil {
		return failed(err)
	}
	d, err := u.Upsert(&expr.Context{}, m)
	if err != nil {
		return failed(err)
	}
	return plain(d)
}

func FuzzUpdate(f *testing.F) {
	seed := func(doc, upd string) {
		var d, u bson.Raw
		if bson.UnmarshalExtJSON([]byte(doc), false, &d) == nil && bson.UnmarshalExtJSON([]byte(upd), false, &u) == nil {
			f.Add([]byte(d), []byte(u))
		}
	}
	seed(`{"_id":1,"a":[1,{"b":2}],"c":{"d":"x"}}`, `{"$set":{"a.1.b":3,"c.e":1},"$inc":{"n":1}}`)
	seed(`{"_id":1,"a":[1,2]}`, `{"$push":{"a":{"$each":[3],"$sort":-1,"$slice":2,"$position":0}},"$rename":{"x":"y"}}`)
	seed(`{"_id":1,"a":[1,2]}`, `{"$pull":{"a":{"$gt":1}},"$unset":{"b.c":1},"$bit":{"q":{"or":3}}}`)
	seed(`{"_id":1,"a":[1,2]}`, `{"$inc":{"a.$[]":1},"$min":{"m":1},"$currentDate":{"t":{"$type":"date"}}}`)
	f.Fuzz(func(t *testing.T, doc, upd []byte) {
		if value.Validate(doc) != nil || value.Validate(upd) != nil {
			return
		}
		u, err := update.Compile(bson.RawValue{Type: bson.TypeEmbeddedDocument, Value: upd}, update.Options{})
		if err != nil {
			return
		}
		r, err := u.Apply(&expr.Context{}, doc, nil)
		if err != nil {
			return
		}
		// Padding an array with nulls may go past the keys' order, never past validity.
		if err := value.Validate(r.Doc); err != nil && mongoerr.CodeOf(err) != mongoerr.Overflow {
			t.Fatalf("invalid result: %v", err)
		}
		update.Diff(doc, r.Doc)
	})
}
