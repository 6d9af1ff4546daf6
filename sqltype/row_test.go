package sqltype

import (
	"encoding/binary"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

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
