package sqloracle

import (
	"strings"
	"testing"

	tidb "github.com/pingcap/tidb/pkg/parser"
	"github.com/pingcap/tidb/pkg/parser/format"
	"github.com/pingcap/tidb/pkg/parser/mysql"
	_ "github.com/pingcap/tidb/pkg/parser/test_driver" // the values that its trees hold
	"github.com/stretchr/testify/require"

	"weir/parser"
	"weir/parser/ast"
)

// TestMySQL reads statements in MySQL's spellings. Either what MySQL's parser
// prints is the same tree to us, or what we print is the same tree to it: it
// writes some things in another way (`MOD(a, b)` as `a % b`), and so do we
// (`a <=> b` as IS NOT DISTINCT FROM).
func TestMySQL(t *testing.T) {
	theirs := tidb.New()
	for _, s := range lists(t, "mysql") {
		t.Run(s.sql, func(t *testing.T) {
			theirs.SetSQLMode(mysql.ModeNone)
			want := restore(t, theirs, s.sql)
			own := one(t, s.sql)
			if again, err := parser.Parse(want); err == nil && len(again) == 1 && ast.Equal(own, again[0]) {
				return
			}
			theirs.SetSQLMode(mysql.ModeANSIQuotes)
			require.Equal(t, want, restore(t, theirs, ast.Print(own)))
		})
	}
}

func one(t testing.TB, sql string) ast.Statement {
	t.Helper()
	list, err := parser.Parse(sql)
	require.NoError(t, err, sql)
	require.Len(t, list, 1, sql)
	return list[0]
}

// restore prints what MySQL's parser reads.
func restore(t testing.TB, p *tidb.Parser, sql string) string {
	t.Helper()
	trees, _, err := p.ParseSQL(sql)
	require.NoError(t, err, sql)
	require.Len(t, trees, 1, sql)
	var b strings.Builder
	require.NoError(t, trees[0].Restore(format.NewRestoreCtx(format.RestoreKeyWordUppercase|format.RestoreStringSingleQuotes|
		format.RestoreStringWithoutCharset|format.RestoreSpacesAroundBinaryOperation|format.RestoreNameBackQuotes, &b)))
	return b.String()
}
