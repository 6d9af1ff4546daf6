package opmsg

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine"
	"weir/engine/value"
)

// The operation codes and limits of the protocol.
const (
	opReply      = 1
	opQuery      = 2004
	opCompressed = 2012
	opMsg        = 2013

	headerLen  = 16
	maxMessage = 48000000

	flagChecksum   = 1 << 0
	flagMoreToCome = 1 << 1
	flagExhaust    = 1 << 16
	requiredFlags  = 0xffff
)

// message is one request.
type message struct {
	id         int32
	op         int32
	flags      uint32
	compressor byte   // 0: the request was not compressed
	collection string // of OP_QUERY
	body       bson.Raw
	seqs       []engine.Sequence
	// bad is an error in the documents, which is answered; errors in the frame
	// end the connection instead.
	bad error
}

var errProtocol = errors.New("malformed message")

// readFrame reads one message's header and bytes.
func readFrame(r io.Reader) (id, op int32, body []byte, err error) {
	var head [headerLen]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, 0, nil, err
	}
	n := int32(binary.LittleEndian.Uint32(head[0:]))
	id = int32(binary.LittleEndian.Uint32(head[4:]))
	op = int32(binary.LittleEndian.Uint32(head[12:]))
	if n < headerLen || n > maxMessage {
		return 0, 0, nil, fmt.Errorf("%w: length %d", errProtocol, n)
	}
	body, err = readBody(r, int(n)-headerLen)
	if err == nil && op == opMsg {
		err = verifyChecksum(head[:], body)
	}
	return id, op, body, err
}

// readBody reads n bytes; memory grows with what really arrives.
func readBody(r io.Reader, n int) ([]byte, error) {
	const step = 1 << 20
	if n <= step {
		body := make([]byte, n)
		_, err := io.ReadFull(r, body)
		return body, err
	}
	var buf bytes.Buffer
	_, err := io.CopyN(&buf, r, int64(n))
	return buf.Bytes(), err
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func verifyChecksum(head, body []byte) error {
	if len(body) < 4 || binary.LittleEndian.Uint32(body)&flagChecksum == 0 {
		return nil
	}
	if len(body) < 8 {
		return fmt.Errorf("%w: no checksum", errProtocol)
	}
	at := len(body) - 4
	sum := crc32.Update(crc32.Checksum(head, castagnoli), castagnoli, body[:at])
	if sum != binary.LittleEndian.Uint32(body[at:]) {
		return fmt.Errorf("%w: checksum does not match", errProtocol)
	}
	return nil
}

// read reads the next request.
func read(r io.Reader) (*message, error) {
	id, op, body, err := readFrame(r)
	if err != nil {
		return nil, err
	}
	m := &message{id: id, op: op}
	if op == opCompressed {
		if m.op, m.compressor, body, err = uncompress(body); err != nil {
			return nil, err
		}
	}
	switch m.op {
	case opMsg:
		return m, m.parseMsg(body)
	case opQuery:
		return m, m.parseQuery(body)
	}
	return nil, fmt.Errorf("%w: operation %d", errProtocol, m.op)
}

// parseMsg: flagBits uint32, sections, [checksum uint32].
func (m *message) parseMsg(b []byte) error {
	if len(b) < 4 {
		return fmt.Errorf("%w: no flags", errProtocol)
	}
	m.flags = binary.LittleEndian.Uint32(b)
	if m.flags&requiredFlags&^(flagChecksum|flagMoreToCome) != 0 {
		return fmt.Errorf("%w: unknown flags %#x", errProtocol, m.flags)
	}
	b = b[4:]
	if m.flags&flagChecksum != 0 {
		b = b[:len(b)-4]
	}
	for len(b) > 0 {
		n, err := m.parseSection(b)
		if err != nil {
			return err
		}
		b = b[n:]
	}
	if m.body == nil {
		return fmt.Errorf("%w: no body", errProtocol)
	}
	return nil
}

// parseSection: kind byte, then a document (0) or a sequence (1).
func (m *message) parseSection(b []byte) (int, error) {
	switch b[0] {
	case 0:
		doc, err := m.document(b[1:])
		if err != nil {
			return 0, err
		}
		if m.body != nil {
			return 0, fmt.Errorf("%w: two bodies", errProtocol)
		}
		m.body = doc
		return 1 + len(doc), nil
	case 1:
		return m.parseSequence(b[1:])
	}
	return 0, fmt.Errorf("%w: section of kind %d", errProtocol, b[0])
}

// parseSequence: size int32, name cstring, documents.
func (m *message) parseSequence(b []byte) (int, error) {
	if len(b) < 5 {
		return 0, fmt.Errorf("%w: short section", errProtocol)
	}
	size := int(int32(binary.LittleEndian.Uint32(b)))
	if size < 5 || size > len(b) {
		return 0, fmt.Errorf("%w: section of %d bytes", errProtocol, size)
	}
	rest := b[4:size]
	end := bytes.IndexByte(rest, 0)
	if end < 0 {
		return 0, fmt.Errorf("%w: section without a name", errProtocol)
	}
	seq := engine.Sequence{Name: string(rest[:end]), Docs: []bson.Raw{}}
	for rest = rest[end+1:]; len(rest) > 0; {
		doc, err := m.document(rest)
		if err != nil {
			return 0, err
		}
		seq.Docs = append(seq.Docs, doc)
		rest = rest[len(doc):]
	}
	m.seqs = append(m.seqs, seq)
	return 1 + size, nil
}

// document takes a document off the front. A damaged inside is noted in bad.
func (m *message) document(b []byte) (bson.Raw, error) {
	if len(b) < 5 {
		return nil, fmt.Errorf("%w: short document", errProtocol)
	}
	n := int(int32(binary.LittleEndian.Uint32(b)))
	if n < 5 || n > len(b) {
		return nil, fmt.Errorf("%w: document of %d bytes", errProtocol, n)
	}
	doc := bson.Raw(b[:n:n])
	if err := value.Validate(doc); err != nil && m.bad == nil {
		m.bad = err
	}
	return doc, nil
}

// parseQuery: flags int32, collection cstring, skip int32, limit int32, query document.
func (m *message) parseQuery(b []byte) error {
	if len(b) < 4 {
		return fmt.Errorf("%w: short query", errProtocol)
	}
	b = b[4:]
	end := bytes.IndexByte(b, 0)
	if end < 0 || len(b) < end+9 {
		return fmt.Errorf("%w: short query", errProtocol)
	}
	m.collection = string(b[:end])
	doc, err := m.document(b[end+9:])
	if err != nil {
		return err
	}
	m.body = doc
	return nil
}
