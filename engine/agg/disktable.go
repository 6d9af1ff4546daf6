package agg

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"sort"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
	"weir/store"
)

// diskTable is a hash table's contents once they are too many for memory: a
// file of (key, document) pairs sorted by key, of which memory holds the first
// key of each block. A look-up reads one block, and those after it while the
// key goes on. So memory stays bounded however large the foreign side is, the
// local side is neither stored nor sorted, and matches come as they would have
// from memory.
type diskTable struct {
	sort *sorter // while it is filled
	file *spillFile
	// first and from are the first key of each block and where it begins;
	// from has the file's end at its end.
	first [][]byte
	from  []int64
	names arena
	pair  []byte
	n     uint64
}

// diskBlock is about how many bytes one look-up reads.
const diskBlock = 16 << 10

// ordinalLen is the length of a document's number in front of it: documents
// found by several keys are given out once, in the order of the table.
const ordinalLen = 8

// spill moves a table that has become too large to disk.
func (t *hashTable) spill(r *run) error {
	t.disk = &diskTable{sort: &sorter{r: r}}
	for key, list := range t.index {
		for _, n := range list {
			if err := t.disk.add([]byte(key), uint64(n), t.docs[n]); err != nil {
				return err
			}
		}
	}
	t.disk.n = uint64(len(t.docs))
	t.docs, t.index, t.mem, t.size = nil, nil, arena{}, 0
	return nil
}

func (t *hashTable) addDisk(doc, kept bson.Raw, keys keysOf) (err error) {
	d := t.disk
	found := keys(doc, func(v value.Value) {
		t.key = append(appendEqualKey(t.key[:0], v, t.coll), t.suffix...)
		if err == nil {
			err = d.add(t.key, d.n, kept)
		}
	})
	d.n++
	if err != nil {
		return err
	}
	return found
}

// finish ends the filling of a table, which err may have stopped.
func (t *hashTable) finish(r *run, err error) error {
	if t.disk == nil {
		return err
	}
	if err == nil {
		err = t.disk.write(r)
	}
	if err != nil {
		t.disk.close()
		t.disk = nil
	}
	return err
}

func (d *diskTable) add(key []byte, n uint64, doc bson.Raw) error {
	d.pair = binary.BigEndian.AppendUint64(d.pair[:0], n)
	d.pair = append(d.pair, doc...)
	return d.sort.add(key, d.pair)
}

// write puts the sorted pairs into one file.
func (d *diskTable) write(r *run) error {
	slices.SortFunc(d.sort.items, compareItems)
	all, err := d.sort.merge()
	if err != nil {
		return err
	}
	defer all.Close()
	if d.file, err = newSpillFile(r.env.TempDir); err != nil {
		return err
	}
	at := int64(0)
	for {
		key, doc, err := all.next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		if len(d.from) == 0 || at-d.from[len(d.from)-1] >= diskBlock {
			d.first, d.from = append(d.first, d.names.copy(key)), append(d.from, at)
		}
		if err := d.file.write(key, doc); err != nil {
			return err
		}
		at += int64(pairHead + len(key) + len(doc))
	}
	d.from, d.sort = append(d.from, at), nil
	return d.file.rewind()
}

func (d *diskTable) close() {
	if d.sort != nil {
		d.sort.discard()
		d.sort = nil
	}
	if d.file != nil {
		d.file.close()
		d.file = nil
	}
}

// block is the one where a key begins, if it is there.
func (d *diskTable) block(key []byte) int {
	i := sort.Search(len(d.first), func(i int) bool { return bytes.Compare(d.first[i], key) >= 0 })
	return max(0, i-1)
}

// findDisk gives the documents of any of the values, in the order of the table.
func (t *hashTable) findDisk(j *joiner, vals []value.Value) store.Cursor {
	h := &j.disk
	h.d, h.docs, h.several = t.disk, nil, len(vals) != 1
	if h.several {
		h.err = h.collect(t, j, vals)
		return h
	}
	h.key = t.diskKey(h.key[:0], j, vals[0])
	h.err = h.seek()
	return h
}

func (t *hashTable) diskKey(dst []byte, j *joiner, v value.Value) []byte {
	return append(appendEqualKey(dst, v, t.coll), j.extra...)
}

// diskHits reads the documents of a key. It keeps the block that it read last,
// which the next local document often needs again.
type diskHits struct {
	d    *diskTable
	key  []byte
	err  error
	held []byte // a block
	of   *diskTable
	i    int // its number
	rest []byte
	// several values: all their documents, read beforehand.
	several bool
	docs    []sortItem
}

// seek stands before the first pair of the key.
func (h *diskHits) seek() error {
	if h.d.file == nil || len(h.d.first) == 0 {
		h.rest, h.i = nil, len(h.d.first)
		return nil
	}
	return h.load(h.d.block(h.key))
}

func (h *diskHits) load(i int) error {
	if h.of == h.d && h.i == i && h.held != nil {
		h.rest = h.held
		return nil
	}
	n := int(h.d.from[i+1] - h.d.from[i])
	h.held = slices.Grow(h.held[:0], n)[:n]
	h.rest, h.i, h.of = h.held, i, h.d
	if _, err := h.d.file.f.ReadAt(h.held, h.d.from[i]); err != nil {
		h.of = nil
		return fmt.Errorf("read a temporary file: %w", err)
	}
	return nil
}

// read gives the next document of the key with its number; io.EOF ends.
func (h *diskHits) read() (doc []byte, err error) {
	for {
		for len(h.rest) > 0 {
			key, doc, rest := splitPair(h.rest)
			c := bytes.Compare(key, h.key)
			if c > 0 {
				return nil, io.EOF
			}
			if h.rest = rest; c == 0 {
				return doc, nil
			}
		}
		if h.i+1 >= len(h.d.first) {
			return nil, io.EOF
		}
		if err := h.load(h.i + 1); err != nil {
			return nil, err
		}
	}
}

// collect reads the documents of several values.
func (h *diskHits) collect(t *hashTable, j *joiner, vals []value.Value) error {
	for _, v := range vals {
		h.key = t.diskKey(h.key[:0], j, v)
		if err := h.seek(); err != nil {
			return err
		}
		for {
			doc, err := h.read()
			if err == io.EOF {
				break
			}
			if err != nil {
				return err
			}
			h.docs = append(h.docs, sortItem{key: bytes.Clone(doc)})
		}
	}
	number := func(a, b sortItem) int { return bytes.Compare(a.key[:ordinalLen], b.key[:ordinalLen]) }
	slices.SortStableFunc(h.docs, number)
	h.docs = slices.CompactFunc(h.docs, func(a, b sortItem) bool { return number(a, b) == 0 })
	return nil
}

// Next implements store.Cursor.
func (h *diskHits) Next(context.Context) (bson.Raw, error) {
	if h.err != nil {
		return nil, h.err
	}
	if h.several {
		if len(h.docs) == 0 {
			return nil, io.EOF
		}
		doc := h.docs[0].key[ordinalLen:]
		h.docs = h.docs[1:]
		return doc, nil
	}
	doc, err := h.read()
	if err != nil {
		return nil, err
	}
	return doc[ordinalLen:], nil
}

// Close implements store.Cursor.
func (h *diskHits) Close() error { return nil }
