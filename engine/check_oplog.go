package engine

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/oplog"
	"weir/engine/storage"
	"weir/engine/value"
)

// oplogKeyLen is the length of the keys of oplog entries and images.
const oplogKeyLen = 13

// oplog reads all entries: each can be decoded, groups are whole, and the byte
// offset in front of each is not before the end of the one above it.
func (k *checker) oplog(ctx context.Context) error {
	var last storage.OplogPos
	var end uint64
	err := k.each(ctx, storage.OplogKey(storage.OplogPos{}), storage.OplogEnd(), func(key, v []byte) error {
		k.r.OplogEntries++
		if len(key) != oplogKeyLen || len(v) < 8 {
			k.fault("oplog: the entry %x is damaged", key)
			return nil
		}
		pos := storage.PosOf(key)
		if pos.Ord > 0 && last != (storage.OplogPos{TS: pos.TS, Ord: pos.Ord - 1}) {
			k.fault("oplog: the entry %s has no entry before it in its transaction", place(pos))
		}
		offset := binary.BigEndian.Uint64(v)
		if offset < end {
			k.fault("oplog: the entry %s is out of order", place(pos))
		}
		last, end = pos, offset+uint64(len(v))
		if _, err := decodeEntry(v); err != nil {
			k.fault("oplog: the entry %s is damaged: %v", place(pos), err)
		}
		return nil
	})
	if err == nil && k.r.OplogEntries == 0 {
		k.fault("oplog: it is empty")
	}
	k.say(fmt.Sprintf("oplog: %d entries", k.r.OplogEntries))
	return err
}

func place(p storage.OplogPos) string {
	return fmt.Sprintf("Timestamp(%d, %d) #%d", p.TS>>32, uint32(p.TS), p.Ord)
}

// decodeEntry decodes a stored oplog entry, trusting nothing.
func decodeEntry(v []byte) (oplog.Entry, error) {
	if len(v) < 8 {
		return oplog.Entry{}, errors.New("it is too short")
	}
	raw := bson.Raw(v[8:])
	if err := value.Validate(raw); err != nil {
		return oplog.Entry{}, err
	}
	for _, f := range [...]string{"op", "db", "c"} {
		if !value.Lookup(raw, f).IsString() {
			return oplog.Entry{}, fmt.Errorf("the field %q is missing", f)
		}
	}
	e, err := oplog.Decode(raw)
	if err != nil {
		return e, err
	}
	switch e.Kind {
	case oplog.Insert, oplog.Update, oplog.Replace, oplog.Delete:
		if e.Key == nil || value.Lookup(e.Key, "_id").IsMissing() {
			return e, errors.New("it names no document")
		}
	case oplog.Noop, oplog.Create, oplog.CreateIndexes, oplog.DropIndexes, oplog.Modify, oplog.Drop, oplog.Rename,
		oplog.DropDatabase, oplog.ShardCollection, oplog.ReshardCollection, oplog.RefineCollectionShards:
	default:
		return e, fmt.Errorf("its kind %q is not known", e.Kind)
	}
	return e, nil
}

// images checks that every image is a document, and that of the change whose
// position it has.
func (k *checker) images(ctx context.Context) error {
	last := storage.OplogPos{TS: math.MaxUint64, Ord: math.MaxUint32}
	for _, s := range [...]struct {
		name string
		key  func(storage.OplogPos) []byte
	}{{"pre-image", storage.PreImageKey}, {"post-image", storage.PostImageKey}} {
		err := k.each(ctx, s.key(storage.OplogPos{}), s.key(last), func(key, v []byte) error { return k.image(s.name, key, v) })
		if err != nil {
			return err
		}
	}
	k.say(fmt.Sprintf("images: %d", k.r.Images))
	return nil
}

func (k *checker) image(name string, key, v []byte) error {
	k.r.Images++
	if len(key) != oplogKeyLen {
		k.fault("images: the key %x is no image's", key)
		return nil
	}
	pos := storage.PosOf(key)
	if err := value.Validate(v); err != nil {
		k.fault("images: the %s of %s is damaged: %v", name, place(pos), err)
		return nil
	}
	stored, ok, err := k.e.db.Get(storage.OplogKey(pos), nil)
	if err != nil {
		return err
	}
	if !ok {
		k.fault("images: the %s of %s has no oplog entry", name, place(pos))
		return nil
	}
	entry, err := decodeEntry(stored)
	if err != nil {
		return nil // the oplog's own fault, named there
	}
	if entry.Key == nil || !value.Equal(value.Lookup(entry.Key, "_id"), value.Lookup(v, "_id")) {
		k.fault("images: the %s of %s is of another document than the oplog entry", name, place(pos))
	}
	return nil
}
