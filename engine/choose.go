package engine

import (
	"bytes"
	"slices"

	"weir/engine/index"
	"weir/engine/storage"
)

// candidate is an access that finds all documents of a query.
type candidate struct {
	access
	score int
}

// wideRange is the part of an index from which on the documents are found
// sooner by reading the collection than one by one.
const wideRange = 0.12

// probes are how many keys are counted in each of the ranges that compete,
// until one is known as a whole. A range that competes with nothing is counted
// only to learn whether it may be wide.
func probes(competing int) []int {
	if competing == 1 {
		return []int{2048}
	}
	return []int{64, 256, 1024, 2048}
}

// choose takes the access with the fewest keys, as far as counting a few of
// them tells; else the one that is best by its form.
func (p *planner) choose(all []candidate) (candidate, error) {
	slices.SortStableFunc(all, func(a, b candidate) int { return b.score - a.score })
	if len(all) == 0 {
		return candidate{}, nil
	}
	best, err := p.gradual(all[0])
	if err != nil {
		return candidate{}, err
	}
	if best.score < scoreCondition || best.score >= scoreUnique || p.probe == nil {
		return best, nil
	}
	first := slices.IndexFunc(all, func(c candidate) bool { return c.score < scoreCondition })
	var ordered []candidate
	if first >= 0 {
		all, ordered = all[:first], all[first:]
	}
	if len(all) > 1 || p.whole != nil {
		for _, n := range probes(len(all)) {
			for _, c := range all {
				if _, whole, err := p.probe(c.access, n); err != nil || whole {
					return p.better(c, best, n), err
				}
			}
		}
	}
	if p.whole != nil && best.covered == 0 && best.distinct == 0 && !best.sorted && p.limit == 0 && p.whole(best.access) > wideRange {
		return candidate{score: scoreCondition}, nil
	}
	inOrder, ok, err := p.firstInOrder(best, ordered)
	if err == nil && ok {
		return inOrder, nil
	}
	return best, err
}

// gradual leaves an access out that is of use for the first keys of the order alone, if
// many documents are alike in these: each of them would be looked for one by one.
func (p *planner) gradual(c candidate) (candidate, error) {
	if c.given == 0 || c.score >= scoreCondition {
		return c, nil
	}
	few, err := false, error(nil)
	if p.runs != nil {
		few, err = p.runs(c.access)
	}
	switch {
	case few || err != nil:
		return c, err
	case c.score == scoreGiven:
		return candidate{}, nil
	}
	c.given, c.parts, c.reverse = 0, 0, false
	return c, nil
}

// orderGain is how many times less must be read in the order that was asked for,
// until there are enough documents, than by the filter: they may come late.
const orderGain = 8

// firstInOrder gives an access that finds the first documents of an order sooner
// than one that finds all, of which there are many, to sort them.
func (p *planner) firstInOrder(best candidate, ordered []candidate) (candidate, bool, error) {
	at := slices.IndexFunc(ordered, func(c candidate) bool { return c.sorted })
	if at < 0 {
		at = slices.IndexFunc(ordered, func(c candidate) bool { return c.given > 0 })
	}
	if at < 0 || best.sorted || best.given > 0 || p.limit == 0 || p.whole == nil {
		return candidate{}, false, nil
	}
	part := p.whole(best.access)
	all := float64(p.count)
	if part == 0 || part*all <= orderGain*float64(p.limit)/part {
		return candidate{}, false, nil
	}
	c, err := p.gradual(ordered[at])
	return c, c.sorted || c.given > 0, err
}

// better prefers the access that is known to have few keys, unless the other
// saves more than it reads.
func (p *planner) better(few, best candidate, n int) candidate {
	if few.index != best.index && best.sorted && !few.sorted && p.limit > 0 && p.limit < int64(n)/4 {
		return best
	}
	return few
}

// prober counts keys in a state.
func prober(r storage.Reader) func(access, int) (int, bool, error) {
	return func(a access, most int) (n int, all bool, err error) {
		for _, rg := range a.ranges {
			it, err := r.Iter(rg.Low, rg.High, false)
			if err != nil {
				return n, false, err
			}
			for n < most && it.Next() {
				n++
			}
			if err := closeIter(it); err != nil {
				return n, false, err
			}
			if n >= most {
				return n, false, nil
			}
		}
		return n, true, nil
	}
}

// mostAlike is how many documents may be alike in the first keys of an order, for an index
// that has only these to be read for it.
const mostAlike = 2048

// runner looks how many of the keys that come first are alike in the parts that give
// the first keys of an order.
func runner(r storage.Reader) func(access) (bool, error) {
	return func(a access) (few bool, err error) {
		for _, rg := range a.ranges {
			it, err := r.Iter(rg.Low, rg.High, a.reverse)
			if err != nil {
				return false, err
			}
			var first []byte
			n := 0
			for ; n <= mostAlike && it.Next(); n++ {
				alike := it.Key()[:a.index.PartsEnd(it.Key(), a.parts)]
				if first == nil {
					first = slices.Clone(alike)
				} else if !bytes.Equal(first, alike) {
					return true, closeIter(it)
				}
			}
			if err := closeIter(it); err != nil || n > mostAlike {
				return false, err
			}
		}
		return true, nil
	}
}

func closeIter(it storage.Iterator) error {
	err := it.Err()
	if cerr := it.Close(); err == nil {
		err = cerr
	}
	return err
}

// spanned estimates which part of an index the ranges of an access span.
func (e *Engine) spanned(a access) float64 {
	lower, upper := storage.IndexRange(a.index.ID)
	all := e.db.DiskUsage(lower, upper)
	if all < 256<<10 {
		return 0 // in memory yet
	}
	part := int64(0)
	for _, r := range a.ranges {
		part += e.db.DiskUsage(r.Low, r.High)
	}
	return float64(part) / float64(all)
}

// countKeysIn counts the entries of ranges.
func countKeysIn(r storage.Reader, ranges []index.Range, stop func() error) (n int64, err error) {
	for _, rg := range ranges {
		it, err := r.Iter(rg.Low, rg.High, false)
		if err != nil {
			return n, err
		}
		for it.Next() {
			if n++; n&4095 == 0 {
				if err := stop(); err != nil {
					_ = it.Close()
					return n, err
				}
			}
		}
		if err := closeIter(it); err != nil {
			return n, err
		}
	}
	return n, nil
}
