package sqltype

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
)

// Times that follow each other in rows are printed as each is alone.
func TestTimesOfRowsAsAlone(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	require.NoError(t, err)
	col := ResultColumn{Path: []string{"at"}, Type: Of(Timestamptz)}
	random := rand.New(rand.NewPCG(5, 6))
	for _, env := range []*Env{nil, {Zone: berlin}, {Zone: time.UTC, Dates: German}} {
		enc := NewRowEncoder([]ResultColumn{col}, env)
		for _, base := range []int64{0, -1, 1_700_000_000_000, -62_135_596_800_000, -62_200_000_000_000, 253_402_300_799_000, PosInfinity, NegInfinity} {
			for range 30 {
				ms := base
				if !IsInfinite(base) {
					ms += random.Int64N(2500)
				}
				v := value.Date(ms)
				if !IsInfinite(ms) {
					v = value.DateMicros(ms, random.IntN(3)*333)
				}
				if ms > 0 && ms < 1<<40 && random.IntN(4) == 0 {
					v = value.Timestamp(uint32(ms/1000), 7)
				}
				var row value.Builder
				row.Add("at", v)
				got, err := enc.AppendColumns(nil, row.Doc())
				require.NoError(t, err)
				want, err := AppendText(nil, v, col.Type, env)
				require.NoError(t, err)
				require.Equal(t, string(want), string(got[4:]))
				require.EqualValues(t, len(want), binary.BigEndian.Uint32(got))
			}
		}
	}
}

// Every byte is escaped wherever in a text it stands.
func TestJSONStringsEscapeEverywhere(t *testing.T) {
	for c := range 256 {
		for at := range 20 {
			s := strings.Repeat("a", at) + string([]byte{byte(c)}) + "öbcdefghij"
			var want strings.Builder
			for i := range len(s) {
				switch b := s[i]; {
				case b < ' ' || b == '"' || b == '\\':
					want.Write(appendEscape(nil, b))
				default:
					want.WriteByte(b)
				}
			}
			require.Equal(t, `"`+want.String()+`"`, string(AppendJSONString(nil, s)))
		}
	}
}

// Rows in any order, with fields that come and go, have the columns that each has alone;
// as lines they say the same.
func TestRowsWhoseFieldsComeAndGo(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	names := []string{"_id", "position", "subscription_name", "full_document", "x", "status", "at", "extra", "other_extra_of_length"}
	cols := []ResultColumn{
		{Path: []string{"status"}, Type: Of(Text)}, {Path: []string{"_id"}, Type: Of(Text)}, {Path: []string{"x"}, Type: Of(Int4)},
		{Path: []string{"at"}, Type: Of(Timestamptz)}, {Path: []string{"full_document"}, Type: Of(JSONB)}, {Path: []string{"position"}, Type: Of(Text)},
		{Path: []string{"full_document"}, Type: Of(JSONB)}, {Path: []string{"full_document", "x"}, Type: Of(Text)}, {Path: []string{"status"}, Type: Of(Text)},
		{Path: []string{"subscription_name"}, Type: Of(Text)},
	}
	texts := []string{"", "plain", `back\slash`, "tab\tnew\nline", "a longer text that needs no escape at all", "a longer text\vthat\rneeds\bsome\f;"}
	enc := NewRowEncoder(cols, nil)
	order := slices.Clone(names)
	for range 500 {
		if random.IntN(10) == 0 {
			random.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
		}
		var row value.Builder
		for _, name := range order {
			txt := value.String(texts[random.IntN(len(texts))])
			switch {
			case random.IntN(4) == 0:
			case name == "x":
				row.Add(name, value.Int32(random.Int32()))
			case name == "at":
				row.Add(name, value.Date(1_700_000_000_000+random.Int64N(5000)))
			case name == "full_document":
				var d value.Builder
				d.Add("x", txt)
				row.Add(name, d.DocumentOf())
			case name == "extra":
				row.Add(fmt.Sprintf("extra%d", random.IntN(1000)), txt)
			default:
				row.Add(name, txt)
			}
			if random.IntN(20) == 0 {
				row.Add(name, value.Null()) // the first of several is what counts
			}
		}
		doc := row.Doc()
		got, err := enc.AppendColumns(nil, doc)
		require.NoError(t, err)
		var want, line []byte
		for i, c := range cols {
			alone, err := NewRowEncoder([]ResultColumn{c}, nil).AppendColumns(nil, doc)
			require.NoError(t, err)
			want = append(want, alone...)
			if i > 0 {
				line = append(line, '|')
			}
			if len(alone) == 4 && alone[0] == 0xff {
				line = append(line, "NULL"...)
				continue
			}
			line = AppendCopyText(line, alone[4:], '|')
		}
		require.Equal(t, want, got)
		lines, err := enc.AppendLine([]byte("before"), doc, '|', "NULL")
		require.NoError(t, err)
		require.Equal(t, "before"+string(line)+"\n", string(lines))
	}
}

// What a line of COPY escapes stands in it behind a backslash, wherever it is.
func TestLinesEscapeEverywhere(t *testing.T) {
	for _, delim := range []byte{'\t', '|', 1} {
		for c := range 256 {
			for at := range 20 {
				s := strings.Repeat("a", at) + string([]byte{byte(c)}) + "bcdefghij\\"
				var want []byte
				for i := range len(s) {
					if b := s[i]; b == '\\' || b == delim || b >= '\b' && b <= '\r' {
						want = append(want, '\\', copyEscape(b))
					} else {
						want = append(want, b)
					}
				}
				require.Equal(t, string(want), string(AppendCopyText(nil, []byte(s), delim)))
			}
		}
	}
}

// A column whose path leads to nothing takes the first of its other paths that leads to
// a value, and leaves those columns as they are whose fields these are.
func TestOtherPaths(t *testing.T) {
	col := func(other [][]string, path ...string) ResultColumn {
		return ResultColumn{Path: path, Type: Of(JSONB), Else: other}
	}
	enc := NewRowEncoder([]ResultColumn{
		col(nil, "update", "set"), col([][]string{{"full"}, {"update", "set"}, {"hidden"}}, "data"), col(nil, "full"), col(nil, "update"),
	}, nil)
	for row, want := range map[string]string{
		`{"full": {"a": 1}, "update": {"set": {"b": 2}}}`: `{"b": 2}|{"a": 1}|{"a": 1}|{"set": {"b": 2}}`,
		`{"update": {"set": {"b": 2}}, "full": null}`:     `{"b": 2}|{"b": 2}|-|{"set": {"b": 2}}`,
		`{"update": {"x": 1}, "hidden": 3}`:               `-|3|-|{"x": 1}`,
		`{"update": 5, "hidden": null}`:                   `-|-|-|5`,
		`{"hidden": 3, "data": 4, "full": 5}`:             `-|4|5|-`,
		`{}`:                                              `-|-|-|-`,
	} {
		var doc bson.Raw
		require.NoError(t, bson.UnmarshalExtJSON([]byte(row), false, &doc))
		line, err := enc.AppendLine(nil, doc, '|', "-")
		require.NoError(t, err)
		require.Equal(t, want+"\n", string(line), row)
		columns, err := enc.AppendColumns(nil, doc)
		require.NoError(t, err)
		var fields []string
		for len(columns) > 0 {
			n := int32(binary.BigEndian.Uint32(columns))
			if columns = columns[4:]; n < 0 {
				fields = append(fields, "-")
				continue
			}
			fields, columns = append(fields, string(columns[:n])), columns[n:]
		}
		require.Equal(t, want, strings.Join(fields, "|"), row)
	}
}

// eventRow is a row of an event log with the columns that it is shown by.
func eventRow(tb testing.TB) (bson.Raw, []ResultColumn) {
	at := bson.DateTime(1_700_000_000_123)
	full := bson.D{{Key: "_id", Value: 77}, {Key: "customer", Value: 5}, {Key: "status", Value: "placed"}, {Key: "total", Value: 12.5},
		{Key: "correlationId", Value: "c-77"}, {Key: "at", Value: at}, {Key: "note", Value: "a text of ordinary length, as orders of shops have them"}, {Key: "lines", Value: bson.A{1, 2, 3}}}
	raw, err := bson.Marshal(bson.D{
		{Key: "weir_position", Value: "692148a00000000100000000"}, {Key: "weir_progressed", Value: false},
		{Key: "_id", Value: "bench_logged:692148a00000000100000000"}, {Key: "position", Value: "692148a00000000100000000"}, {Key: "subscription_id", Value: "bench_logged"},
		{Key: "subscription_name", Value: "bench_logged"}, {Key: "event_type", Value: "insert"}, {Key: "database_name", Value: "weir_bench_catchup"},
		{Key: "collection_name", Value: "docs"}, {Key: "document_key", Value: bson.D{{Key: "_id", Value: 77}}}, {Key: "event_timestamp", Value: at},
		{Key: "cluster_time", Value: bson.Timestamp{T: 1_700_000_000, I: 1}}, {Key: "resume_token", Value: "82692148A0000000012B022C0100296E5A1004"},
		{Key: "resume_token_timestamp", Value: at}, {Key: "processing_status", Value: "completed"}, {Key: "queued_at", Value: at},
		{Key: "processing_started_at", Value: at}, {Key: "processing_completed_at", Value: at}, {Key: "processing_duration_ms", Value: 0.0},
		{Key: "processed_by", Value: "host-1234"}, {Key: "retry_count", Value: int32(0)}, {Key: "correlation_id", Value: "c-77"},
		{Key: "interaction_type", Value: "insert"}, {Key: "full_document", Value: full}, {Key: "size_bytes", Value: int32(500)}, {Key: "expire_at", Value: at},
	})
	require.NoError(tb, err)
	var cols []ResultColumn
	add := func(t OID, names ...string) {
		for _, name := range names {
			cols = append(cols, ResultColumn{Path: strings.Split(name, "."), Type: Of(t)})
		}
	}
	add(Text, "weir_position")
	add(Bool, "weir_progressed")
	add(Text, "_id", "position", "subscription_id", "subscription_name", "service_name", "event_type", "event_type", "database_name", "collection_name")
	add(JSONB, "document_key")
	add(Timestamptz, "event_timestamp", "cluster_time")
	add(Text, "resume_token")
	add(Timestamptz, "resume_token_timestamp")
	add(Text, "processing_status")
	add(Timestamptz, "queued_at", "processing_started_at", "processing_completed_at")
	add(Float8, "processing_duration_ms")
	add(Int4, "retry_count")
	add(Timestamptz, "next_attempt_at")
	add(Text, "last_error", "processed_by", "correlation_id", "causation_id", "business_process_id", "source_service", "target_service", "interaction_type", "trace_parent")
	add(JSONB, "event_data", "full_document", "full_document_before_change", "update_description", "update_description.updatedFields", "update_description.removedFields")
	for i := range cols {
		if cols[i].Path[0] == "event_data" {
			cols[i].Else = [][]string{{"full_document"}, {"update_description", "updatedFields"}, {"full_document_before_change"}, {"document_key"}}
		}
	}
	add(Int4, "size_bytes")
	add(Int8, "txn_number")
	return raw, cols
}

// BenchmarkEventLine is an event as a line of COPY and as a DataRow; walk is what
// finding its columns alone costs.
func BenchmarkEventLine(b *testing.B) {
	row, cols := eventRow(b)
	enc := NewRowEncoder(cols, &Env{})
	dst := make([]byte, 0, 4096)
	b.Run("line", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			dst, _ = enc.AppendLine(dst[:0], row, '\t', `\N`)
		}
	})
	b.Run("row", func(b *testing.B) {
		for b.Loop() {
			dst, _ = enc.AppendDataRow(dst[:0], row)
		}
	})
	b.Run("walk", func(b *testing.B) {
		for b.Loop() {
			enc.Values(row)
		}
	})
	b.Run("json", func(b *testing.B) {
		doc := value.Lookup(row, "full_document")
		for b.Loop() {
			dst = AppendJSONB(dst[:0], doc)
		}
	})
}

// Documents of any form that follow each other are printed as each is alone.
func TestObjectsPrintedByForm(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	names := []string{"b", "a", "long_name", "quote\"d", "", "aa", "ab", "n"}
	var f objectForm
	forms := [][]string{{"b", "a", "long_name"}, {"quote\"d", "", "aa"}, {"a"}, {}}
	for range 2000 {
		form := forms[0]
		switch random.IntN(8) {
		case 0:
			form = forms[random.IntN(len(forms))]
		case 1:
			form = nil
			for range random.IntN(5) {
				form = append(form, names[random.IntN(len(names))]) // maybe one twice
			}
		}
		var d, inner value.Builder
		inner.Add("z", value.Int32(1))
		inner.Add("y", value.String("\t"))
		for _, name := range form {
			d.Add(name, []value.Value{value.Int32(random.Int32N(5)), value.String("x\n"), value.Null(), inner.DocumentOf()}[random.IntN(4)])
		}
		doc := d.Doc()
		require.Equal(t, string(AppendJSONB(nil, value.Document(doc))), string(f.append(nil, doc)))
	}
	f = objectForm{}
	doc := bson.Raw("\x0c\x00\x00\x00\x10a\x00\x01\x00\x00\x00\x10") // is cut off
	require.Equal(t, string(AppendJSONB(nil, value.Document(doc))), string(f.append(nil, doc)))
}
