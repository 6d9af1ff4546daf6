package session

import (
	"context"
	"io"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"

	"weir/parser"
	"weir/parser/ast"
	"weir/sqlerr"
)

// TestCopyInput reads COPY data, in pieces of one byte and in one piece: both
// must give the same rows.
func TestCopyInput(t *testing.T) {
	datadriven.RunTest(t, "testdata/copy", func(t *testing.T, d *datadriven.TestData) string {
		sql, data, _ := strings.Cut(d.Input, "\n")
		list, err := parser.Parse(sql)
		require.NoError(t, err)
		stmt := list[0].(*ast.Copy)
		f, err := copyOptions(stmt)
		if err != nil {
			return sqlerr.As(err).Code + " " + err.Error() + "\n"
		}
		var cols []string
		for _, c := range stmt.Columns {
			cols = append(cols, c.Name)
		}
		whole := readCopy(t, f, cols, []string{data})
		require.Equal(t, whole, readCopy(t, f, cols, strings.Split(data, "")))
		return whole
	})
}

func readCopy(t *testing.T, f *copyFormat, cols, pieces []string) string {
	in := &copyInput{f: f, cols: cols, src: &fakePieces{pieces}}
	var out strings.Builder
	for {
		ok, err := in.next(t.Context())
		if err != nil {
			return out.String() + sqlerr.As(err).Code + " " + err.Error() + "\n"
		}
		if !ok {
			return out.String()
		}
		for i := range cols {
			b, ok := in.value(i)
			if i > 0 {
				out.WriteString(" | ")
			}
			if !ok {
				out.WriteString("NULL")
				continue
			}
			out.WriteString("<" + strings.NewReplacer("\n", `\n`, "\t", `\t`, "\r", `\r`).Replace(string(b)) + ">")
		}
		out.WriteString("\n")
	}
}

type fakePieces struct{ left []string }

func (f *fakePieces) Next(context.Context) ([]byte, error) {
	if len(f.left) == 0 {
		return nil, io.EOF
	}
	b := []byte(f.left[0])
	f.left = f.left[1:]
	return b, nil
}
