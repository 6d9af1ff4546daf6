package storage

import (
	"bytes"
	"slices"
	"unsafe"
)

// WriteSet is what a transaction wrote, above the snapshot that it reads. It is
// used by one goroutine at a time.
type WriteSet struct {
	base   Reader
	spaces map[[IndexPrefixLen]byte]*space
	size   int
	arena  []byte // where keys and values are copied to
}

// space holds the changes of one collection or index: all in latest, and in
// order in sorted and, above it, recent, but for those of tail that came after the
// last Iter. Recent is short, so that to write and to read in turns costs little.
type space struct {
	latest         map[string][]byte // nil value: deleted
	sorted, recent []change
	tail           []string
}

type change struct {
	key   string
	value []byte
}

// NewWriteSet starts an empty write set above base.
func NewWriteSet(base Reader) *WriteSet {
	return &WriteSet{base: base, spaces: map[[IndexPrefixLen]byte]*space{}}
}

// Size is about how many bytes were written.
func (w *WriteSet) Size() int { return w.size }

func prefixOf(key []byte) (p [IndexPrefixLen]byte) {
	copy(p[:], key)
	return p
}

// arenaChunk is how much memory is taken at a time.
const arenaChunk = 64 << 10

// Keep copies bytes to where they stay as long as anybody refers to them.
func (w *WriteSet) Keep(b []byte) []byte {
	if len(b) == 0 {
		return []byte{} // nil would be a deletion
	}
	if len(b) > arenaChunk/8 {
		return append(make([]byte, 0, len(b)), b...)
	}
	if cap(w.arena)-len(w.arena) < len(b) {
		w.arena = make([]byte, 0, arenaChunk)
	}
	at := len(w.arena)
	w.arena = append(w.arena, b...)
	return w.arena[at:len(w.arena):len(w.arena)]
}

// KeepString is Keep for what is to be a string.
func (w *WriteSet) KeepString(b []byte) string {
	if len(b) == 0 {
		return ""
	}
	b = w.Keep(b)
	return unsafe.String(&b[0], len(b))
}

// Set implements Writer.
func (w *WriteSet) Set(key, value []byte) error {
	return w.SetKept(key, w.Keep(value))
}

// SetKept is Set of a value that nobody changes any more.
func (w *WriteSet) SetKept(key, value []byte) error {
	w.put(key, value)
	return nil
}

// Delete implements Writer.
func (w *WriteSet) Delete(key []byte) error {
	w.put(key, nil)
	return nil
}

func (w *WriteSet) put(key, value []byte) {
	s := w.spaces[prefixOf(key)]
	if s == nil {
		s = &space{latest: map[string][]byte{}}
		w.spaces[prefixOf(key)] = s
	}
	k := w.KeepString(key)
	s.latest[k] = value
	s.tail = append(s.tail, k)
	w.size += len(key) + len(value)
}

// Get implements Reader.
func (w *WriteSet) Get(key, dst []byte) ([]byte, bool, error) {
	if s := w.spaces[prefixOf(key)]; s != nil {
		if v, ok := s.latest[string(key)]; ok {
			return append(dst, v...), v != nil, nil
		}
	}
	return w.base.Get(key, dst)
}

// Each calls f for every change; value is nil for a deletion.
func (w *WriteSet) Each(f func(key string, value []byte) error) error {
	for _, s := range w.spaces {
		for k, v := range s.latest {
			if err := f(k, v); err != nil {
				return err
			}
		}
	}
	return nil
}

// between returns the changes of keys in [lower, upper) in key order. The slice is
// never changed again, so an iterator that holds it sees the state of its making.
func (s *space) between(lower, upper string) []change {
	s.settle()
	return merged(cut(s.sorted, lower, upper), cut(s.recent, lower, upper))
}

// settle puts the tail in its place. Both parts are made anew for that: recent each
// time, sorted when recent has more than the root of its changes.
func (s *space) settle() {
	if len(s.tail) == 0 {
		return
	}
	slices.Sort(s.tail)
	fresh := make([]change, 0, len(s.tail))
	for _, k := range slices.Compact(s.tail) {
		fresh = append(fresh, change{k, s.latest[k]})
	}
	s.tail = nil
	s.recent = merged(s.recent, fresh)
	if len(s.recent)*len(s.recent) > len(s.sorted) {
		s.sorted, s.recent = merged(s.sorted, s.recent), nil
	}
}

func cut(all []change, lower, upper string) []change {
	from, _ := slices.BinarySearchFunc(all, lower, compareChange)
	to, _ := slices.BinarySearchFunc(all, upper, compareChange)
	return all[from:max(from, to)]
}

// merged is the changes of both in order; of a key that both have, the new one.
func merged(old, new []change) []change {
	if len(old) == 0 {
		return new
	}
	if len(new) == 0 {
		return old
	}
	out := make([]change, 0, len(old)+len(new))
	for _, c := range new {
		n, found := slices.BinarySearchFunc(old, c.key, compareChange)
		out = append(append(out, old[:n]...), c)
		if found {
			n++
		}
		old = old[n:]
	}
	return append(out, old...)
}

// Iter implements Reader. Both bounds lie in one collection or index.
func (w *WriteSet) Iter(lower, upper []byte, reverse bool) (Iterator, error) {
	base, err := w.base.Iter(lower, upper, reverse)
	if err != nil {
		return nil, err
	}
	s := w.spaces[prefixOf(lower)]
	if s == nil {
		return base, nil
	}
	own := s.between(string(lower), string(upper))
	if reverse {
		own = slices.Clone(own)
		slices.Reverse(own)
	}
	return &mergeIter{base: base, own: own, reverse: reverse}, nil
}

func compareChange(c change, key string) int {
	switch {
	case c.key < key:
		return -1
	case c.key > key:
		return 1
	}
	return 0
}

// mergeIter walks the base and the own changes side by side; an own change
// hides the base's entry of the same key.
type mergeIter struct {
	base    Iterator
	own     []change
	reverse bool
	started bool
	baseOK  bool
	onOwn   bool
	key     []byte
	value   []byte
}

func (m *mergeIter) Next() bool {
	for {
		m.advance()
		if m.baseOK && (len(m.own) == 0 || m.before(m.base.Key(), m.own[0].key)) {
			m.onOwn = false
			return true
		}
		if len(m.own) == 0 {
			return false
		}
		m.onOwn = true
		if m.baseOK && string(m.base.Key()) == m.own[0].key {
			m.baseOK = m.base.Next()
		}
		if m.own[0].value != nil {
			m.key = append(m.key[:0], m.own[0].key...)
			m.value = m.own[0].value
			return true
		}
	}
}

// advance leaves the entry that was returned last.
func (m *mergeIter) advance() {
	switch {
	case !m.started:
		m.started = true
		m.baseOK = m.base.Next()
	case m.onOwn:
		m.own = m.own[1:]
	default:
		m.baseOK = m.base.Next()
	}
}

func (m *mergeIter) before(a []byte, b string) bool {
	c := bytes.Compare(a, []byte(b))
	if m.reverse {
		return c > 0
	}
	return c < 0
}

func (m *mergeIter) Key() []byte {
	if m.onOwn {
		return m.key
	}
	return m.base.Key()
}

func (m *mergeIter) Value() ([]byte, error) {
	if m.onOwn {
		return m.value, nil
	}
	return m.base.Value()
}

func (m *mergeIter) Err() error   { return m.base.Err() }
func (m *mergeIter) Close() error { return m.base.Close() }
