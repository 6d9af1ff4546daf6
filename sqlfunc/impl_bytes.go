package sqlfunc

import (
	"bytes"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"math/bits"
	"strings"
	"unicode/utf8"

	"weir/engine/expr"
	"weir/engine/value"
	"weir/sqlerr"
	"weir/sqltype"
)

func encode(_ *expr.Context, a []value.Value) (value.Value, error) {
	b := bytesOf(a[0])
	switch name := text(a[1]); strings.ToLower(name) {
	case "hex":
		return str(hex.EncodeToString(b))
	case "base64":
		return str(wrap76(base64.StdEncoding.EncodeToString(b)))
	case "escape":
		return str(escaped(b))
	default:
		return failf(sqlerr.InvalidParameterValue, "unrecognized encoding: \"%s\"", name)
	}
}

// wrap76 breaks base64 into lines of 76 characters.
func wrap76(s string) string {
	var b strings.Builder
	for len(s) > 76 {
		b.WriteString(s[:76] + "\n")
		s = s[76:]
	}
	return b.String() + s
}

func escaped(b []byte) string {
	var out strings.Builder
	for _, c := range b {
		switch {
		case c == 0 || c >= 0x80:
			out.Write([]byte{'\\', '0' + c>>6, '0' + c>>3&7, '0' + c&7})
		case c == '\\':
			out.WriteString(`\\`)
		default:
			out.WriteByte(c)
		}
	}
	return out.String()
}

func decode(_ *expr.Context, a []value.Value) (value.Value, error) {
	s := text(a[0])
	var b []byte
	var err error
	switch name := text(a[1]); strings.ToLower(name) {
	case "hex":
		b, err = sqltype.DecodeHex(s)
	case "base64":
		b, err = decodeBase64(s)
	case "escape":
		b, err = sqltype.DecodeEscapes(s)
	default:
		err = sqlerr.New(sqlerr.InvalidParameterValue, "unrecognized encoding: \"%s\"", name)
	}
	if err != nil {
		return fail(err)
	}
	return binary(b)
}

func decodeBase64(s string) ([]byte, error) {
	s = strings.Map(func(r rune) rune {
		if strings.ContainsRune(" \t\n\r", r) {
			return -1
		}
		return r
	}, s)
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		for _, r := range s {
			if r != '=' && !strings.ContainsRune("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", r) {
				return nil, sqlerr.New(sqlerr.InvalidParameterValue, "invalid symbol \"%c\" found while decoding base64 sequence", r)
			}
		}
		return nil, sqlerr.New(sqlerr.InvalidParameterValue, "invalid base64 end sequence").
			WithHint("Input data is missing padding, is truncated, or is otherwise corrupted.")
	}
	return b, nil
}

func md5Hex(b []byte) string {
	h := md5.Sum(b)
	return hex.EncodeToString(h[:])
}

func hashed(f func(b []byte) []byte) evaluator {
	return func(_ *expr.Context, a []value.Value) (value.Value, error) { return binary(f(bytesOf(a[0]))) }
}

func byteIndex(b []byte, i int64) error {
	if i < 0 || i >= int64(len(b)) {
		return sqlerr.New(sqlerr.ArraySubscriptError, "index %d out of valid range, 0..%d", i, len(b)-1)
	}
	return nil
}

func getByte(_ *expr.Context, a []value.Value) (value.Value, error) {
	b, i := bytesOf(a[0]), a[1].AsInt64()
	if err := byteIndex(b, i); err != nil {
		return fail(err)
	}
	return int4(int(b[i]))
}

func setByte(_ *expr.Context, a []value.Value) (value.Value, error) {
	b, i := bytes.Clone(bytesOf(a[0])), a[1].AsInt64()
	if err := byteIndex(b, i); err != nil {
		return fail(err)
	}
	b[i] = byte(a[2].AsInt64())
	return binary(b)
}

func bitIndex(b []byte, i int64) error {
	if i < 0 || i >= 8*int64(len(b)) {
		return sqlerr.New(sqlerr.ArraySubscriptError, "index %d out of valid range, 0..%d", i, 8*len(b)-1)
	}
	return nil
}

func getBit(_ *expr.Context, a []value.Value) (value.Value, error) {
	b, i := bytesOf(a[0]), a[1].AsInt64()
	if err := bitIndex(b, i); err != nil {
		return fail(err)
	}
	return int4(int(b[i/8] >> (i % 8) & 1))
}

func setBit(_ *expr.Context, a []value.Value) (value.Value, error) {
	b, i, n := bytes.Clone(bytesOf(a[0])), a[1].AsInt64(), a[2].AsInt64()
	if err := bitIndex(b, i); err != nil {
		return fail(err)
	}
	if n != 0 && n != 1 {
		return failf(sqlerr.InvalidParameterValue, "new bit must be 0 or 1")
	}
	b[i/8] = b[i/8]&^(1<<(i%8)) | byte(n)<<(i%8)
	return binary(b)
}

func substringBytes(_ *expr.Context, a []value.Value) (value.Value, error) {
	b, from := bytesOf(a[0]), a[1].AsInt64()
	end := int64(len(b)) + 1
	if len(a) > 2 {
		if a[2].AsInt64() < 0 {
			return failf(sqlerr.SubstringError, "negative substring length not allowed")
		}
		end = min(end, from+a[2].AsInt64())
	}
	from = max(from, 1)
	if end <= from {
		return binary(nil)
	}
	return binary(b[from-1 : end-1])
}

func overlayBytes(_ *expr.Context, a []value.Value) (value.Value, error) {
	b, with, from := bytesOf(a[0]), bytesOf(a[1]), a[2].AsInt64()
	n := optional(a, 3, int64(len(with)))
	if from <= 0 || n < 0 {
		return failf(sqlerr.SubstringError, "negative substring length not allowed")
	}
	head := b[:min(from-1, int64(len(b)))]
	tail := b[min(max(from-1+n, 0), int64(len(b))):]
	return binary(bytes.Join([][]byte{head, with, tail}, nil))
}

func trimBytes(left, right bool) evaluator {
	return func(_ *expr.Context, a []value.Value) (value.Value, error) {
		b, set := bytesOf(a[0]), bytesOf(a[1])
		for left && len(b) > 0 && bytes.IndexByte(set, b[0]) >= 0 {
			b = b[1:]
		}
		for right && len(b) > 0 && bytes.IndexByte(set, b[len(b)-1]) >= 0 {
			b = b[:len(b)-1]
		}
		return binary(b)
	}
}

func checkEncoding(v value.Value) error {
	switch name := strings.ToUpper(strings.NewReplacer("-", "", "_", "").Replace(text(v))); name {
	case "UTF8", "UNICODE", "SQLASCII":
		return nil
	default:
		return sqlerr.Unsupported(0, "Use UTF8.", "encoding \"%s\" is not supported", text(v))
	}
}

func convertFrom(_ *expr.Context, a []value.Value) (value.Value, error) {
	if err := checkEncoding(a[1]); err != nil {
		return fail(err)
	}
	b := bytesOf(a[0])
	if !utf8.Valid(b) || bytes.IndexByte(b, 0) >= 0 {
		return failf(sqlerr.CharacterNotInRepertoire, "invalid byte sequence for encoding \"UTF8\": %s", firstInvalid(b))
	}
	return str(string(b))
}

func firstInvalid(b []byte) string {
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		if r == 0 || r == utf8.RuneError && n == 1 {
			return "0x" + hex.EncodeToString(b[:1])
		}
		b = b[n:]
	}
	return ""
}

var bytesFuncs = map[string]evaluator{
	"encode": encode, "decode": decode,
	"md5":       mapText(func(s string) string { return md5Hex([]byte(s)) }),
	"md5_bytea": func(_ *expr.Context, a []value.Value) (value.Value, error) { return str(md5Hex(bytesOf(a[0]))) },
	"sha224":    hashed(func(b []byte) []byte { h := sha256.Sum224(b); return h[:] }),
	"sha256":    hashed(func(b []byte) []byte { h := sha256.Sum256(b); return h[:] }),
	"sha384":    hashed(func(b []byte) []byte { h := sha512.Sum384(b); return h[:] }),
	"sha512":    hashed(func(b []byte) []byte { h := sha512.Sum512(b); return h[:] }),
	"sha1_text": mapText(func(s string) string { h := sha1.Sum([]byte(s)); return hex.EncodeToString(h[:]) }),
	"get_byte":  getByte, "set_byte": setByte, "get_bit_bytea": getBit, "set_bit_bytea": setBit,
	"substring_bytea": substringBytes, "overlay_bytea": overlayBytes,
	"btrim_bytea": trimBytes(true, true), "ltrim_bytea": trimBytes(true, false), "rtrim_bytea": trimBytes(false, true),
	"convert_from": convertFrom,
	"convert_to": func(_ *expr.Context, a []value.Value) (value.Value, error) {
		if err := checkEncoding(a[1]); err != nil {
			return fail(err)
		}
		return binary([]byte(text(a[0])))
	},
	"length_bytea":       func(_ *expr.Context, a []value.Value) (value.Value, error) { return int4(len(bytesOf(a[0]))) },
	"octet_length_bytea": func(_ *expr.Context, a []value.Value) (value.Value, error) { return int4(len(bytesOf(a[0]))) },
	"bit_length_bytea":   func(_ *expr.Context, a []value.Value) (value.Value, error) { return int4(8 * len(bytesOf(a[0]))) },
	"position_bytea": func(_ *expr.Context, a []value.Value) (value.Value, error) {
		return int4(bytes.Index(bytesOf(a[0]), bytesOf(a[1])) + 1)
	},
	"concat_bytea": func(_ *expr.Context, a []value.Value) (value.Value, error) {
		return binary(append(bytes.Clone(bytesOf(a[0])), bytesOf(a[1])...))
	},
	"bit_count_bytea": func(_ *expr.Context, a []value.Value) (value.Value, error) {
		n := 0
		for _, c := range bytesOf(a[0]) {
			n += bits.OnesCount8(c)
		}
		return int8(int64(n))
	},
}
