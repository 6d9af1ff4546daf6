package session

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
	"weir/parser"
	"weir/parser/ast"
	"weir/sqlerr"
)

// TestCursor moves over the rows 1 to n as testdata/cursor says.
func TestCursor(t *testing.T) {
	datadriven.RunTest(t, "testdata/cursor", func(t *testing.T, d *datadriven.TestData) string {
		n := 5
		d.MaybeScanArgs(t, "rows", &n)
		var docs []bson.Raw
		for i := range n {
			docs = append(docs, textRow(textColumns("n"), fmt.Sprint(i+1)))
		}
		cur := &cursor{src: &listed{docs: docs}, keep: d.HasArg("scroll")}
		var out strings.Builder
		for line := range strings.SplitSeq(d.Input, "\n") {
			list, err := parser.Parse(line)
			require.NoError(t, err)
			f := &fetchCursor{stmt: list[0].(*ast.Fetch)}
			out.WriteString(line + ":")
			if f.stmt.Move {
				n, err := f.move(t.Context(), cur)
				out.WriteString(fmt.Sprintf(" %d%s\n", n, failure(err)))
				continue
			}
			var got []bson.Raw
			if f.stmt.Direction == ast.FetchForward && (f.stmt.All || f.stmt.Count > 0) {
				r := &fetched{cur: cur, left: f.count()}
				for {
					var doc bson.Raw
					if doc, err = r.next(t.Context()); err != nil {
						break
					}
					got = append(got, doc)
				}
				if isEnd(err) {
					err = nil
				}
			} else {
				got, err = f.step(t.Context(), cur)
			}
			for _, doc := range got {
				out.WriteString(" " + value.Lookup(doc, "n").Str())
			}
			out.WriteString(failure(err) + "\n")
		}
		return out.String()
	})
}

func failure(err error) string {
	if err == nil {
		return ""
	}
	return " " + sqlerr.As(err).Code
}
