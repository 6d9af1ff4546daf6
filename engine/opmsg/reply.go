package opmsg

import (
	"encoding/binary"
	"hash/crc32"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine"
	"weir/engine/value"
	"weir/mongoerr"
)

// errorReply is the reply document of an error.
func errorReply(e *engine.Engine, err *mongoerr.Error) bson.Raw {
	start, d := value.BeginDocument(nil)
	if len(err.Labels) > 0 {
		d = value.AppendHeader(d, bson.TypeArray, "errorLabels")
		arr, a := value.BeginDocument(d)
		for i, l := range err.Labels {
			a = value.AppendItem(a, i, value.String(l))
		}
		d = value.EndDocument(a, arr)
	}
	d = value.AppendElement(d, "ok", value.Double(0))
	d = value.AppendElement(d, "errmsg", value.String(err.Message))
	if err.Code != 0 { // a few old commands fail without one
		name := err.Name
		if name == "" {
			name = mongoerr.CodeName(err.Code)
		}
		d = value.AppendElement(d, "code", value.Int32(err.Code))
		d = value.AppendElement(d, "codeName", value.String(name))
	}
	if err.Info != nil {
		d = append(d, err.Info[4:len(err.Info)-1]...)
	}
	return value.EndDocument(e.AppendTimes(d), start)
}

// queryFailure answers an OP_QUERY that reads a collection.
func queryFailure() bson.Raw {
	start, d := value.BeginDocument(nil)
	d = value.AppendElement(d, "$err", value.String("OP_QUERY is no longer supported. The client driver may require an upgrade."))
	d = value.AppendElement(d, "code", value.Int32(5739101))
	return value.EndDocument(d, start)
}

// frame makes the bytes of a reply: as OP_REPLY to OP_QUERY, else as OP_MSG,
// with a checksum and compressed when the request was so.
func (m *message) frame(dst []byte, id, to int32, flags uint32, doc bson.Raw) ([]byte, error) {
	if m.op == opQuery {
		return finish(appendQueryReply(header(dst, id, to, opReply), doc)), nil
	}
	if m.flags&flagChecksum != 0 && m.compressor == 0 {
		flags |= flagChecksum
	}
	if m.compressor == 0 {
		dst = header(dst, id, to, opMsg)
		dst = appendMsg(dst, flags, doc)
		if flags&flagChecksum != 0 {
			binary.LittleEndian.PutUint32(dst, uint32(len(dst)+4))
			return binary.LittleEndian.AppendUint32(dst, crc32.Checksum(dst, castagnoli)), nil
		}
		return finish(dst), nil
	}
	body := appendMsg(nil, flags, doc)
	dst = header(dst, id, to, opCompressed)
	dst = binary.LittleEndian.AppendUint32(dst, opMsg)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(body)))
	dst = append(dst, m.compressor)
	dst, err := compress(dst, m.compressor, body)
	if err != nil {
		return nil, err
	}
	return finish(dst), nil
}

func header(dst []byte, id, to, op int32) []byte {
	dst = append(dst[:0], 0, 0, 0, 0)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(id))
	dst = binary.LittleEndian.AppendUint32(dst, uint32(to))
	return binary.LittleEndian.AppendUint32(dst, uint32(op))
}

func finish(dst []byte) []byte {
	binary.LittleEndian.PutUint32(dst, uint32(len(dst)))
	return dst
}

func appendMsg(dst []byte, flags uint32, doc bson.Raw) []byte {
	dst = binary.LittleEndian.AppendUint32(dst, flags)
	return append(append(dst, 0), doc...)
}

// appendQueryReply: flags int32, cursor int64, from int32, number int32, document.
func appendQueryReply(dst []byte, doc bson.Raw) []byte {
	flags := uint32(8) // AwaitCapable
	if !value.Lookup(doc, "$err").IsMissing() {
		flags |= 2 // QueryFailure
	}
	dst = binary.LittleEndian.AppendUint32(dst, flags)
	dst = binary.LittleEndian.AppendUint64(dst, 0)
	dst = binary.LittleEndian.AppendUint32(dst, 0)
	dst = binary.LittleEndian.AppendUint32(dst, 1)
	return append(dst, doc...)
}
