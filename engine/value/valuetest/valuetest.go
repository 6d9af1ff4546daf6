// Package valuetest helps the engine's tests: it reads canonical Extended
// JSON, compares values by type and bytes, and replays recorded answers of a
// MongoDB server. Only tests import it.
package valuetest

import (
	"bufio"
	"bytes"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
)

// Parse reads one Extended JSON document.
func Parse(text string) (bson.Raw, error) {
	var raw bson.Raw
	if err := bson.UnmarshalExtJSON([]byte(text), false, &raw); err != nil {
		return nil, fmt.Errorf("parse %s: %w", text, err)
	}
	return raw, nil
}

// Doc is Parse for text known to be right.
func Doc(tb testing.TB, text string) bson.Raw {
	tb.Helper()
	raw, err := Parse(text)
	if err != nil {
		tb.Fatal(err)
	}
	return raw
}

// Val reads one Extended JSON value of any type.
func Val(tb testing.TB, text string) value.Value {
	tb.Helper()
	return value.Lookup(Doc(tb, `{"v":`+text+`}`), "v")
}

// Format prints a value as Extended JSON, in canonical form.
func Format(v value.Value) string {
	if v.IsMissing() {
		return "missing"
	}
	var b value.Builder
	b.Add("v", v)
	out, err := bson.MarshalExtJSON(b.Doc(), true, false)
	if err != nil {
		return err.Error()
	}
	return strings.TrimSuffix(strings.TrimPrefix(string(out), `{"v":`), "}")
}

// Same tells whether two values are of the same type and bytes; with approx,
// doubles and decimals may differ by a relative 1e-12.
func Same(a, b value.Value, approx bool) bool {
	if a.Kind() != b.Kind() {
		return false
	}
	switch {
	case a.IsDocument() || a.IsArray():
		x, y := value.Walk(a.Doc()), value.Walk(b.Doc())
		for {
			xOK, yOK := x.Next(), y.Next()
			if !xOK || !yOK {
				return xOK == yOK
			}
			if x.Key() != y.Key() || !Same(x.Value(), y.Value(), approx) {
				return false
			}
		}
	case a.IsNaN():
		return b.IsNaN()
	case approx && (a.Kind() == bson.TypeDouble || a.Kind() == bson.TypeDecimal128):
		f, g := a.AsDouble(), b.AsDouble()
		if math.Abs(f-g) <= 1e-12*math.Max(math.Abs(f), math.Abs(g)) {
			return true
		}
	}
	return bytes.Equal(a.AppendPayload(nil), b.AppendPayload(nil))
}

// Recorded is the folder of recorded answers; it skips the test without it.
func Recorded(tb testing.TB) string {
	tb.Helper()
	dir := filepath.Join("..", "..", "..", "shared", "tools", "mqlcorpus", "recorded")
	if _, err := os.Stat(dir); err != nil {
		tb.Skip("the recorded answers of a MongoDB server are not here: " + dir)
	}
	return dir
}

// Lines reads a file of one Extended JSON document a line.
func Lines(tb testing.TB, path string, each func(line bson.Raw)) {
	tb.Helper()
	f, err := os.Open(path)
	if err != nil {
		tb.Fatal(err)
	}
	defer f.Close()
	s := bufio.NewScanner(f)
	s.Buffer(nil, 256<<20)
	for s.Scan() {
		var raw bson.Raw
		if err := bson.UnmarshalExtJSON(s.Bytes(), true, &raw); err != nil {
			tb.Logf("unreadable line %.80s: %v", s.Text(), err)
			continue
		}
		each(raw)
	}
	if err := s.Err(); err != nil {
		tb.Fatal(err)
	}
}

// Exceptions reads the file of ids whose recorded answer is not ours, each
// with its reason.
func Exceptions(tb testing.TB, path string) map[string]string {
	tb.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	out := map[string]string{}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		id, reason, _ := strings.Cut(line, " ")
		if reason == "" {
			tb.Errorf("%s: no reason is given for %s", path, id)
		}
		out[id] = reason
	}
	return out
}
