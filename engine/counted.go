package engine

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"sync"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/index"
	"weir/engine/storage"
	"weir/engine/value"
	"weir/mongoerr"
)

// A counted index (weirCounted: true, which no MongoDB server has) holds no documents: an
// entry for each combination of values of its fields says how many documents have it. What
// counts and groups by these fields alone is read from it (countedquery.go), so that it
// costs as much as there are combinations, however many documents there are. It is right
// whoever writes, as the entries change with the documents.
//
// A batch does not write the entries that it changes, which may be as many as documents: it
// notes how they change in one value. Now and then a batch writes all that changed, and
// begins another generation of notes, which takes the places of those before.
//
//	i index4 key kinds -> varint(documents) byte(len(kinds)) kinds
//	i index4 00        -> uvarint(generation); no key begins with 00
//	i index4 00 slot2  -> uvarint(generation) (varint(change) uvarint(n) [byte(len(kinds)) uvarint(len(key)) key kinds])*
//
// n is the number of the entry among those that the notes of the generation changed; what it
// is comes with it the first time.
//
// What the store has is read once; after that the counts are in memory. Writers change them
// under the writer lock.

const countedOption = "weirCounted"

// maxCountedFields bounds the fields of a counted index.
const maxCountedFields = 8

// cellID is an entry of a counted index: of its key only, with the kinds.
type cellID struct {
	ix    *indexState
	cell  string
	kinds int // how many bytes at the end of the cell are kinds
}

// cellChanges are how a transaction, or the building of an index, changes entries.
type cellChanges map[cellID]*int64

// add changes an entry.
func (c cellChanges) add(ix *indexState, cell []byte, kinds int, by int64) {
	if n := c[cellID{ix, string(cell), kinds}]; n != nil {
		*n += by
		return
	}
	c[cellID{ix, string(cell), kinds}] = &by
}

// cells are the present counts of a counted index.
type cells struct {
	mu     sync.RWMutex     // for who does not hold the writer lock
	counts map[string]*cell // nil: not read yet
	gen    uint64           // of the notes
	notes  int              // of this generation
	dirty  []*cell          // that the notes of this generation changed, in the order in which they name them
}

// cell is the count of a combination.
type cell struct {
	ix    *indexState
	key   string   // as the storage has it
	kinds int      // how many bytes at its end are kinds
	doc   bson.Raw // that has these values; nil: the key does not tell them
	n     int64
	noted int // its place among dirty, from 1 on; 0: none
}

// countedCell is how many documents have a combination.
type countedCell struct {
	*cell
	n int64
}

// checkCounted refuses what a counted index cannot be.
func checkCounted(d, key bson.Raw) error {
	if !value.Lookup(d, countedOption).Truthy() {
		return nil
	}
	refuse := func(why string) error {
		return mongoerr.New(mongoerr.CannotCreateIndex, "Error in specification %s :: caused by :: a counted index %s", value.Document(d), why)
	}
	for it := value.Walk(d); it.Next(); {
		switch it.Key() {
		case "v", "key", "name", "ns", "background", countedOption:
		default:
			return refuse("cannot have the option " + it.Key())
		}
	}
	n := 0
	for _, f := range index.FieldsOf(key) {
		if n++; f.Hashed || f.Desc || len(f.Path) > 1 || f.Name == "_id" || f.Name == cellCount {
			return refuse("has ascending fields at the top of a document only")
		}
	}
	if n > maxCountedFields {
		return refuse(fmt.Sprintf("has %d fields at most", maxCountedFields))
	}
	return nil
}

// asCells makes keys the keys of a counted index's entries.
func asCells(keys [][]byte, kinds []byte) [][]byte {
	for i := range keys {
		keys[i] = append(keys[i], kinds...)
	}
	return keys
}

// count changes an entry of a counted index.
func (u *unit) count(ix *indexState, key []byte, kinds int, by int64) error {
	if u.tx != nil {
		if u.tx.cells == nil {
			u.tx.cells = cellChanges{}
		}
		u.tx.cells.add(ix, key, kinds, by)
		return nil
	}
	if err := ix.readCells(u.e.db); err != nil {
		return err
	}
	if u.cells == nil {
		u.cells = map[*cell]int64{}
	}
	u.cells[ix.cells.of(ix, key, kinds)] += by
	return nil
}

// countAll is count of all changes.
func (u *unit) countAll(changes cellChanges) error {
	for id, by := range changes {
		if err := u.count(id.ix, []byte(id.cell), id.kinds, *by); err != nil {
			return err
		}
	}
	return nil
}

// of gives the count of a combination, which may be new.
func (c *cells) of(ix *indexState, key []byte, kinds int) *cell {
	if of := c.counts[string(key)]; of != nil {
		return of
	}
	of := &cell{ix: ix, key: string(key), kinds: kinds}
	var inverted []byte
	values := len(key) - kinds
	if doc, told := ix.Restore(nil, key[:values], key[values:], len(ix.Fields), &inverted); told {
		of.doc = doc
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.counts[of.key] = of
	return of
}

// cellNote is what a batch does to a counted index.
type cellNote struct {
	ix      *indexState
	note    []byte
	written bool // the entries are, in place of the note
}

// saveCells notes how the batch changes the entries, or writes them.
func (u *unit) saveCells() error {
	for of, by := range u.cells {
		if by == 0 {
			continue
		}
		if n := u.noteOf(of.ix); !n.written {
			n.note = of.appendNote(n.note, by)
		}
	}
	for _, n := range u.notes {
		var err error
		if n.written {
			err = u.writeCells(n.ix)
		} else {
			err = u.b.Set(noteKey(n.ix, n.ix.cells.notes), n.note)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// appendNote appends a change to a note.
func (of *cell) appendNote(note []byte, by int64) []byte {
	note = binary.AppendVarint(note, by)
	if of.noted > 0 {
		return binary.AppendUvarint(note, uint64(of.noted-1))
	}
	c := &of.ix.cells
	c.dirty = append(c.dirty, of)
	of.noted = len(c.dirty)
	key := of.key[storage.IndexPrefixLen:]
	note = append(binary.AppendUvarint(note, uint64(of.noted-1)), byte(of.kinds))
	return append(binary.AppendUvarint(note, uint64(len(key)-of.kinds)), key...)
}

func (u *unit) noteOf(ix *indexState) *cellNote {
	i := slices.IndexFunc(u.notes, func(n cellNote) bool { return n.ix == ix })
	if i < 0 {
		i = len(u.notes)
		u.notes = append(u.notes, cellNote{ix: ix, note: binary.AppendUvarint(nil, ix.cells.gen), written: ix.cells.notes >= u.e.opts.CountedNotes})
	}
	return &u.notes[i]
}

// noteKey is the key of a note, below 0 of the generation of notes.
func noteKey(ix *indexState, slot int) []byte {
	k := append(storage.AppendIndexPrefix(nil, ix.ID), 0)
	if slot < 0 {
		return k
	}
	return binary.BigEndian.AppendUint16(k, uint16(slot))
}

// writeCells writes the entries that notes, or the batch, changed, and makes the notes old.
func (u *unit) writeCells(ix *indexState) error {
	for _, of := range ix.cells.dirty {
		if u.cells[of] == 0 {
			if err := u.writeCell(of, of.n); err != nil {
				return err
			}
		}
	}
	for of, by := range u.cells {
		if of.ix == ix && by != 0 {
			if err := u.writeCell(of, of.n+by); err != nil {
				return err
			}
		}
	}
	return u.b.Set(noteKey(ix, -1), binary.AppendUvarint(nil, ix.cells.gen+1))
}

func (u *unit) writeCell(of *cell, n int64) error {
	if n == 0 {
		return u.b.Delete([]byte(of.key))
	}
	var v [binary.MaxVarintLen64 + 1 + maxCountedFields]byte
	entry := append(binary.AppendVarint(v[:0], n), byte(of.kinds))
	return u.b.Set([]byte(of.key), append(entry, of.key[len(of.key)-of.kinds:]...))
}

// keepCells changes the counts as the batch did that was applied: who asks sees all that it
// did to an index, or nothing.
func (u *unit) keepCells() {
	for _, n := range u.notes {
		n.ix.cells.mu.Lock()
	}
	for of, by := range u.cells {
		if by != 0 {
			of.n += by
		}
	}
	for _, n := range u.notes {
		n.ix.cells.noted(n.written)
		n.ix.cells.mu.Unlock()
	}
}

// noted tells of a note that was written, or of all entries; the caller holds the lock.
func (c *cells) noted(all bool) {
	if !all {
		c.notes++
		return
	}
	for _, of := range c.dirty {
		if of.noted = 0; of.n == 0 {
			delete(c.counts, of.key)
		}
	}
	c.gen, c.notes, c.dirty = c.gen+1, 0, nil
}

// readCells reads the present entries; the caller holds the writer lock.
func (ix *indexState) readCells(r storage.Reader) error {
	if ix.cells.counts != nil {
		return nil
	}
	stored, err := ix.storedCells(r)
	if err != nil {
		return err
	}
	c := &ix.cells
	c.mu.Lock()
	defer c.mu.Unlock()
	c.counts, c.gen, c.notes, c.dirty = stored.counts, stored.gen, stored.notes, stored.dirty
	return nil
}

// storedCells reads the entries and the notes.
func (ix *indexState) storedCells(r storage.Reader) (*cells, error) {
	c := &cells{counts: map[string]*cell{}}
	lower, upper := storage.IndexRange(ix.ID)
	it, err := r.Iter(lower, upper, false)
	if err != nil {
		return nil, err
	}
	for it.Next() {
		key := it.Key()
		v, err := it.Value()
		ok := false
		switch {
		case err != nil:
		case key[storage.IndexPrefixLen] != 0:
			ok = c.readEntry(ix, key, v)
		case len(key) == storage.IndexPrefixLen+1: // before all notes
			var size int
			c.gen, size = binary.Uvarint(v)
			ok = size == len(v)
		default:
			ok = c.readNote(ix, v)
		}
		if err == nil && !ok {
			err = fmt.Errorf("an entry of the counted index %s is damaged", ix.Name)
		}
		if err != nil {
			_ = it.Close()
			return nil, err
		}
	}
	return c, closeIter(it)
}

// readEntry adds an entry; false: it is damaged.
func (c *cells) readEntry(ix *indexState, key, v []byte) bool {
	n, size := binary.Varint(v)
	if size <= 0 || len(v) <= size || len(v) != size+1+int(v[size]) {
		return false
	}
	c.of(ix, key, int(v[size])).n += n
	return true
}

// readNote adds a note, unless it is an old one; false: it is damaged.
func (c *cells) readNote(ix *indexState, v []byte) bool {
	gen, size := binary.Uvarint(v)
	if size <= 0 || gen != c.gen {
		return size > 0
	}
	c.notes++
	key := storage.AppendIndexPrefix(nil, ix.ID)
	for v = v[size:]; len(v) > 0; {
		by, a := binary.Varint(v)
		if a <= 0 {
			return false
		}
		at, b := binary.Uvarint(v[a:])
		if b <= 0 || at > uint64(len(c.dirty)) {
			return false
		}
		v = v[a+b:]
		if at == uint64(len(c.dirty)) {
			if len(v) == 0 {
				return false
			}
			kinds := int(v[0])
			n, b := binary.Uvarint(v[1:])
			if b <= 0 || n > uint64(len(v)) || len(v) < 1+b+int(n)+kinds {
				return false
			}
			v = v[1+b:]
			key = append(key[:storage.IndexPrefixLen], v[:int(n)+kinds]...)
			v = v[int(n)+kinds:]
			of := c.of(ix, key, kinds)
			c.dirty = append(c.dirty, of)
			of.noted = len(c.dirty)
		}
		c.dirty[at].n += by
	}
	return true
}

// sorted gives the entries that count something, by their keys.
func (c *cells) sorted() []countedCell {
	c.mu.RLock()
	all := make([]countedCell, 0, len(c.counts))
	for _, of := range c.counts {
		if of.n != 0 {
			all = append(all, countedCell{of, of.n})
		}
	}
	c.mu.RUnlock()
	slices.SortFunc(all, func(a, b countedCell) int { return strings.Compare(a.key, b.key) })
	return all
}

// sum gives one entry for all documents, which has none of their values.
func (c *cells) sum() []countedCell {
	c.mu.RLock()
	defer c.mu.RUnlock()
	all := countedCell{&cell{doc: emptyDoc}, 0}
	for _, of := range c.counts {
		if of.n < 0 {
			return []countedCell{{of, of.n}}
		}
		all.n += of.n
	}
	if all.n == 0 {
		return nil
	}
	return []countedCell{all}
}

// present gives the entries as they are now, in memory, or as a reader sees them; or one for
// all documents.
func (ix *indexState) present(r storage.Reader, summed bool) ([]countedCell, error) {
	c := &ix.cells
	c.mu.RLock()
	known := c.counts != nil
	c.mu.RUnlock()
	if !known {
		var err error
		if c, err = ix.storedCells(r); err != nil {
			return nil, err
		}
	}
	if summed {
		return c.sum(), nil
	}
	return c.sorted(), nil
}

// cellsOf makes the keys of a document's entries.
func cellsOf(gen *index.Generator, ix *indexState, doc bson.Raw) (keys [][]byte, kinds int, multikey bool, err error) {
	keys, of, multikey, err := documentKeys(gen, ix, doc)
	return asCells(keys, of), len(of), multikey, err
}

// cellTally is what the entries of counted indexes should be, by the documents.
type cellTally map[*indexState]map[string]int64

// add adds the keys of a document.
func (t cellTally) add(ix *indexState, keys [][]byte, kinds []byte) {
	if t[ix] == nil {
		t[ix] = map[string]int64{}
	}
	for _, k := range asCells(keys, kinds) {
		t[ix][string(k)]++
	}
}

// faults tells how many entries that a reader sees are others.
func (t cellTally) faults(r storage.Reader, ix *indexState) (wrong int, err error) {
	c, err := ix.storedCells(r)
	if err != nil {
		return 0, err
	}
	want, all := t[ix], c.sorted()
	for _, of := range all {
		if want[of.key] != of.n {
			wrong++
		}
	}
	return wrong + max(0, len(want)-len(all)), nil
}
