package wire

import (
	"testing"

	"github.com/stretchr/testify/require"

	"weir/sqlerr"
)

func TestCharset(t *testing.T) {
	s := newCharset("LATIN1")
	require.Equal(t, "caf\u00e9", s.decodeString("caf\xe9"))
	require.Equal(t, "caf\xe9 ?", s.text("caf\u00e9 \u20ac"))

	// A row of a text, a NULL and a binary value.
	cols := []Column{{Type: 25}, {Type: 25}, {Type: 17, Format: Binary}}
	b := []byte{'x', 'D', 0, 0, 0, 0, 0, 3}
	b = AppendText(b, "\u00e4\u00f6")
	b = AppendNull(b)
	b = AppendText(b, "\u00e4")
	b, err := s.recode(b, 1, cols)
	require.NoError(t, err)
	require.Equal(t, "xD\x00\x00\x00\x00\x00\x03\x00\x00\x00\x02\xe4\xf6\xff\xff\xff\xff\x00\x00\x00\x02\u00e4", string(b))

	_, err = newCharset("WIN1251").encode(nil, []byte("\u00e4"))
	require.Equal(t, "22P05", sqlerr.As(err).Code)
	require.ErrorContains(t, err, `character with byte sequence 0xc3 0xa4 in encoding "UTF8" has no equivalent in encoding "WIN1251"`)

	args := Args{Values: [][]byte{[]byte("\xe4"), nil, []byte("\xe4"), []byte("\xe4")}, ParamFormats: []int16{Text, Text, Binary, Binary}}
	s.decodeArgs(&args, []uint32{25, 25, 17, 1043})
	require.Equal(t, [][]byte{[]byte("\u00e4"), nil, []byte("\xe4"), []byte("\u00e4")}, args.Values)

	require.Nil(t, newCharset("UTF8"))
	require.True(t, KnownEncoding("UTF8"))
	require.False(t, KnownEncoding("BIG5"))
}
