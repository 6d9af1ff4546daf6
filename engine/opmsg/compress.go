package opmsg

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/golang/snappy"
	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"
)

// The ids of the compressors.
const (
	compressNoop   = 0
	compressSnappy = 1
	compressZlib   = 2
	compressZstd   = 3
)

// uncompress: originalOpcode int32, uncompressedSize int32, compressorId byte, bytes.
func uncompress(b []byte) (op int32, id byte, body []byte, err error) {
	if len(b) < 9 {
		return 0, 0, nil, fmt.Errorf("%w: short compressed message", errProtocol)
	}
	op = int32(binary.LittleEndian.Uint32(b))
	size := int32(binary.LittleEndian.Uint32(b[4:]))
	if size < 0 || size > maxMessage-headerLen {
		return 0, 0, nil, fmt.Errorf("%w: uncompressed size %d", errProtocol, size)
	}
	id = b[8]
	body, err = decompress(id, b[9:], int(size))
	if err == nil && len(body) != int(size) {
		err = fmt.Errorf("%w: uncompressed to %d bytes instead of %d", errProtocol, len(body), size)
	}
	return op, id, body, err
}

func decompress(id byte, b []byte, size int) ([]byte, error) {
	switch id {
	case compressNoop:
		return b, nil
	case compressSnappy:
		if n, err := snappy.DecodedLen(b); err != nil || n != size {
			return nil, fmt.Errorf("%w: snappy length", errProtocol)
		}
		return wrapCorrupt(snappy.Decode(nil, b))
	case compressZlib:
		r, err := zlib.NewReader(bytes.NewReader(b))
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errProtocol, err)
		}
		return wrapCorrupt(io.ReadAll(io.LimitReader(r, int64(size)+1)))
	case compressZstd:
		r, err := zstd.NewReader(bytes.NewReader(b), zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxMessage))
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errProtocol, err)
		}
		defer r.Close()
		return wrapCorrupt(io.ReadAll(io.LimitReader(r, int64(size)+1)))
	}
	return nil, fmt.Errorf("%w: compressor %d", errProtocol, id)
}

func wrapCorrupt(b []byte, err error) ([]byte, error) {
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errProtocol, err)
	}
	return b, nil
}

// compress appends the compressed body.
func compress(dst []byte, id byte, body []byte) ([]byte, error) {
	switch id {
	case compressSnappy:
		return append(dst, snappy.Encode(nil, body)...), nil
	case compressZlib:
		var buf bytes.Buffer
		w := zlib.NewWriter(&buf)
		if _, err := w.Write(body); err != nil {
			return nil, err
		}
		if err := w.Close(); err != nil {
			return nil, err
		}
		return append(dst, buf.Bytes()...), nil
	case compressZstd:
		w, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest))
		if err != nil {
			return nil, err
		}
		defer w.Close()
		return w.EncodeAll(body, dst), nil
	}
	return append(dst, body...), nil
}
