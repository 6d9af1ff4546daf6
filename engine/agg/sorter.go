package agg

import (
	"bytes"
	"container/heap"
	"context"
	"errors"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/mongoerr"
	"weir/store"
)

// maxTopK is the largest limit for which a sort keeps only the best documents.
const maxTopK = 100_000

// sortItem is a document with its key; both lie in one allocation or arena.
type sortItem struct {
	key, doc []byte
	seq      int
}

func compareItems(a, b sortItem) int {
	if c := bytes.Compare(a.key, b.key); c != 0 {
		return c
	}
	return a.seq - b.seq
}

// arena copies byte strings into large blocks.
type arena struct {
	block []byte
	total int64
}

const arenaBlock = 1 << 20

func (a *arena) room(n int) {
	if cap(a.block)-len(a.block) < n {
		size := max(n, min(arenaBlock, max(4096, int(a.total))))
		a.block = make([]byte, 0, size)
	}
}

func (a *arena) copy(b []byte) []byte {
	a.room(len(b))
	start := len(a.block)
	a.block = append(a.block, b...)
	a.total += int64(len(b))
	return a.block[start:len(a.block):len(a.block)]
}

// sortAll sorts everything, on disk when it does not fit into memory.
func sortAll(ctx context.Context, r *run, in store.Cursor, p *sortPattern) (store.Cursor, error) {
	s := &sorter{r: r}
	var key []byte
	err := drain(ctx, in, func(doc bson.Raw) (err error) {
		if key, err = p.appendKey(key[:0], doc); err != nil {
			return err
		}
		return s.add(key, doc)
	})
	if err != nil {
		s.discard()
		return nil, err
	}
	return s.finish()
}

// sorter orders documents by key bytes, stably.
type sorter struct {
	r     *run
	items []sortItem
	mem   arena
	runs  []*spillFile
	seq   int
}

func (s *sorter) add(key, doc []byte) error {
	if s.mem.total+int64(len(s.items))*56 > s.r.env.memoryLimit() {
		if err := s.spill(); err != nil {
			return err
		}
	}
	s.items = append(s.items, sortItem{s.mem.copy(key), s.mem.copy(doc), s.seq})
	s.seq++
	return nil
}

func (s *sorter) spill() error {
	if !s.r.env.AllowDiskUse {
		return mongoerr.New(mongoerr.QueryExceededMemoryLimitNoDiskUse,
			"Sort exceeded memory limit of %d bytes, but did not opt in to external sorting.", s.r.env.memoryLimit())
	}
	f, err := newSpillFile(s.r.env.TempDir)
	if err != nil {
		return err
	}
	s.runs = append(s.runs, f)
	slices.SortFunc(s.items, compareItems)
	for _, it := range s.items {
		if err := f.write(it.key, it.doc); err != nil {
			return err
		}
	}
	s.items, s.mem = s.items[:0], arena{}
	return nil
}

func (s *sorter) discard() {
	for _, f := range s.runs {
		f.close()
	}
}

func (s *sorter) finish() (store.Cursor, error) {
	slices.SortFunc(s.items, compareItems)
	if len(s.runs) == 0 {
		return &itemCursor{items: s.items}, nil
	}
	return s.merge()
}

// merge gives the runs on disk and the sorted one in memory as one.
func (s *sorter) merge() (*mergeCursor, error) {
	m := &mergeCursor{}
	m.h.items = s.items
	for i, f := range s.runs {
		if err := f.rewind(); err != nil {
			s.discard()
			return nil, err
		}
		m.h.files = append(m.h.files, mergeFile{f: f, order: i})
	}
	return m, nil
}

// itemCursor yields sorted documents in memory.
type itemCursor struct{ items []sortItem }

func (c *itemCursor) Next(context.Context) (bson.Raw, error) {
	if len(c.items) == 0 {
		return nil, errEnd
	}
	d := c.items[0].doc
	c.items = c.items[1:]
	return d, nil
}

func (c *itemCursor) Close() error { c.items = nil; return nil }

// topK keeps the k first documents in a heap whose top is the last of them.
// When even those exceed the memory limit it goes over to sorting everything. Where the
// input is ordered by the first keys already, it is read until nothing that is among the
// first can come.
func topK(ctx context.Context, r *run, in store.Cursor, p *sortPattern, k, given int) (store.Cursor, error) {
	t := &topSorter{r: r, k: k}
	var key []byte
	err := drain(ctx, in, func(doc bson.Raw) (err error) {
		if key, err = p.appendKey(key[:0], doc); err != nil {
			return err
		}
		if given > 0 && t.isLast(key, p.partsEnd(key, given)) {
			return errEnough
		}
		return t.add(key, doc)
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	if err != nil {
		if t.all != nil {
			t.all.discard()
		}
		return nil, err
	}
	if t.all != nil {
		out, err := t.all.finish()
		return &limitCursor{piped{out}, int64(k)}, err
	}
	slices.SortFunc(t.heap, compareItems)
	return &itemCursor{items: t.heap}, nil
}

// errEnough ends the reading of an input that is not needed to its end.
var errEnough = errors.New("no document behind is among the first")

// isLast tells whether no document from this one on is among the first: they are found,
// and the part of the key by which the input is ordered is behind that of all of them.
func (t *topSorter) isLast(key []byte, given int) bool {
	return t.all == nil && len(t.heap) == t.k && bytes.Compare(key[:given], t.heap[0].key) > 0 && !bytes.HasPrefix(t.heap[0].key, key[:given])
}

type topSorter struct {
	r    *run
	k    int
	heap topHeap
	seq  int
	held int64
	all  *sorter // nil while the heap suffices
}

func (t *topSorter) add(key, doc []byte) error {
	t.seq++
	switch {
	case t.all != nil:
		return t.all.add(key, doc)
	case len(t.heap) < t.k:
		t.held += int64(len(key) + len(doc))
		if t.held > t.r.env.memoryLimit() {
			return t.sortAll(key, doc)
		}
		heap.Push(&t.heap, sortItem{bytes.Clone(key), bytes.Clone(doc), t.seq})
	case bytes.Compare(key, t.heap[0].key) < 0:
		top := &t.heap[0]
		t.held += int64(len(doc) - len(top.doc))
		top.key, top.doc, top.seq = append(top.key[:0], key...), append(top.doc[:0], doc...), t.seq
		heap.Fix(&t.heap, 0)
	}
	return nil
}

// sortAll hands what the heap holds to a sorter, in the order it came.
func (t *topSorter) sortAll(key, doc []byte) error {
	t.all = &sorter{r: t.r}
	slices.SortFunc(t.heap, func(a, b sortItem) int { return a.seq - b.seq })
	for _, it := range t.heap {
		if err := t.all.add(it.key, it.doc); err != nil {
			return err
		}
	}
	t.heap = nil
	return t.all.add(key, doc)
}

type topHeap []sortItem

func (h topHeap) Len() int           { return len(h) }
func (h topHeap) Less(i, j int) bool { return compareItems(h[i], h[j]) > 0 }
func (h topHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *topHeap) Push(x any)        { *h = append(*h, x.(sortItem)) }
func (h *topHeap) Pop() any {
	old := *h
	x := old[len(old)-1]
	*h = old[:len(old)-1]
	return x
}
