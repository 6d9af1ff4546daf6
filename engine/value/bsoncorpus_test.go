package value_test

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
)

// vectors is one file of BSON test vectors, in the form of the drivers'
// specification: documents as hex with their canonical Extended JSON, bytes
// and texts that must be refused.
type vectors struct {
	Description string `json:"description"`
	Valid       []struct {
		Description   string `json:"description"`
		CanonicalBSON string `json:"canonical_bson"`
		CanonicalJSON string `json:"canonical_extjson"`
		Lossy         bool   `json:"lossy"`
	} `json:"valid"`
	DecodeErrors []struct {
		Description string `json:"description"`
		BSON        string `json:"bson"`
	} `json:"decodeErrors"`
	ParseErrors []struct {
		Description string `json:"description"`
		String      string `json:"string"`
	} `json:"parseErrors"`
	Type string `json:"bson_type"`
}

// TestVectors runs the vectors of this package's own.
func TestVectors(t *testing.T) { runVectors(t, filepath.Join("testdata", "vectors", "*.json")) }

// TestSpecificationVectors runs those of the drivers' specifications.
func TestSpecificationVectors(t *testing.T) {
	dir := filepath.Join("..", "..", "..", "shared", "tools", "mongospec", "bson-corpus")
	if _, err := os.Stat(dir); err != nil {
		t.Skip("the BSON vectors of the drivers' specifications are not here: " + dir)
	}
	runVectors(t, filepath.Join(dir, "*.json"))
}

func runVectors(t *testing.T, pattern string) {
	files, err := filepath.Glob(pattern)
	require.NoError(t, err)
	require.NotEmpty(t, files)
	valid, refused := 0, 0
	for _, f := range files {
		text, err := os.ReadFile(f)
		require.NoError(t, err)
		var v vectors
		require.NoError(t, json.Unmarshal(text, &v), f)
		name := strings.TrimSuffix(filepath.Base(f), ".json")
		t.Run(name, func(t *testing.T) { v.run(t) })
		valid, refused = valid+len(v.Valid), refused+len(v.DecodeErrors)+len(v.ParseErrors)
	}
	t.Logf("%d valid documents, %d refused", valid, refused)
}

func (v *vectors) run(t *testing.T) {
	for _, c := range v.Valid {
		t.Run(c.Description, func(t *testing.T) {
			doc := unhex(t, c.CanonicalBSON)
			require.NoError(t, value.ValidateConformance(doc), "decodes")
			require.Equal(t, doc, rebuilt(doc), "builds the same bytes again")
			printed, err := bson.MarshalExtJSON(bson.Raw(doc), true, false)
			require.NoError(t, err)
			require.Equal(t, compact(t, c.CanonicalJSON), compact(t, string(printed)))
			if c.Lossy {
				return
			}
			var back bson.Raw
			require.NoError(t, bson.UnmarshalExtJSON([]byte(c.CanonicalJSON), true, &back))
			require.Equal(t, doc, []byte(back), "reads what it prints")
		})
	}
	for _, c := range v.DecodeErrors {
		t.Run("refuses "+c.Description, func(t *testing.T) {
			require.Error(t, value.ValidateConformance(unhex(t, c.BSON)))
		})
	}
	for _, c := range v.ParseErrors {
		t.Run("does not read "+c.Description, func(t *testing.T) {
			if v.Type == "0x13" {
				_, ok := value.ParseDecimal(c.String)
				require.False(t, ok, c.String)
				return
			}
			var d bson.Raw
			require.Error(t, bson.UnmarshalExtJSON([]byte(c.String), true, &d), c.String)
		})
	}
}

// rebuilt takes a document apart and builds it again, value by value.
func rebuilt(doc []byte) []byte {
	var b value.Builder
	for it := value.Walk(doc); it.Next(); {
		v := it.Value()
		if v.IsDocument() {
			v = value.Document(rebuilt(v.Doc()))
		}
		b.Add(it.Key(), v)
	}
	return b.Doc()
}

func unhex(t *testing.T, s string) []byte {
	b, err := hex.DecodeString(s)
	require.NoError(t, err)
	return b
}

// compact prints a JSON text without spaces and with plain letters, its fields
// in their order.
func compact(t *testing.T, text string) string {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var b strings.Builder
	for {
		tok, err := d.Token()
		if err == io.EOF {
			return b.String()
		}
		require.NoError(t, err, text)
		fmt.Fprintf(&b, "%T %v|", tok, tok)
	}
}
