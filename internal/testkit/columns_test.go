package testkit_test

import (
	"os"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgtype"
	"github.com/stretchr/testify/require"

	"weir/internal/testkit"
)

// TestColumnsOfTheTableFunctions compares the columns that are described with the
// list in testdata/events/columns.txt: names, order and types.
func TestColumnsOfTheTableFunctions(t *testing.T) {
	list, err := os.ReadFile("testdata/events/columns.txt")
	require.NoError(t, err)
	want := map[string][]string{}
	function := ""
	for line := range strings.Lines(string(list)) {
		if !strings.HasPrefix(line, " ") {
			function = strings.TrimSpace(line)
			continue
		}
		for c := range strings.SplitSeq(line, ",") {
			if c = strings.TrimSpace(c); c != "" {
				want[function] = append(want[function], c)
			}
		}
	}
	require.Len(t, want, 11)
	conn := testkit.Start(t, testkit.Embedded, nil).Connect(t)
	types := pgtype.NewMap()
	for function, columns := range want {
		rows, err := conn.Query(t.Context(), "SELECT * FROM "+function+"()")
		require.NoError(t, err, function)
		var got []string
		for _, f := range rows.FieldDescriptions() {
			typ, ok := types.TypeForOID(f.DataTypeOID)
			require.True(t, ok, "%s.%s", function, f.Name)
			got = append(got, f.Name+" "+typ.Name)
		}
		rows.Close()
		require.NoError(t, rows.Err(), function)
		require.Equal(t, columns, got, function)
	}
}
