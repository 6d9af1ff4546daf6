package sqloracle

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"

	"weir/parser"
)

// statement is one statement of a corpus: where it is from, and its text.
type statement struct{ from, sql string }

// key is the text on one line.
func (s statement) key() string { return strings.Join(strings.Fields(s.sql), " ") }

// golden gives the statements of the parser's own tests.
func golden(t testing.TB) []statement {
	t.Helper()
	var out []statement
	paths, err := filepath.Glob("../../parser/testdata/*")
	require.NoError(t, err)
	require.NotEmpty(t, paths)
	for _, path := range paths {
		name := filepath.Base(path)
		if name == "errors" {
			continue
		}
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		datadriven.RunTestFromString(t.(*testing.T), string(text), func(_ *testing.T, d *datadriven.TestData) string {
			out = append(out, split(name, d.Input)...)
			return d.Expected
		})
	}
	return out
}

// split gives the statements of a text that we can read.
func split(from, text string) []statement {
	list, err := parser.Parse(text)
	if err != nil {
		return nil
	}
	var out []statement
	for _, s := range list {
		begin, end := s.Bytes()
		out = append(out, statement{from, text[begin:end]})
	}
	return out
}

// lists gives the statements of testdata/NAME, one a line.
func lists(t testing.TB, name string) []statement {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	require.NoError(t, err)
	var out []statement
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "--") {
			out = append(out, statement{name, strings.TrimSuffix(line, ";")})
		}
	}
	return out
}

// shared gives the statements of a corpus beside the repository, nil where it is not.
func shared(t testing.TB, path string) []statement {
	t.Helper()
	f, err := os.Open(filepath.Join("../../../shared/tools", path))
	if os.IsNotExist(err) {
		return nil
	}
	require.NoError(t, err)
	defer f.Close()
	var out []statement
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var line struct{ SQL string }
		require.NoError(t, json.Unmarshal(lines.Bytes(), &line))
		out = append(out, statement{path, line.SQL})
	}
	require.NoError(t, lines.Err())
	return out
}
