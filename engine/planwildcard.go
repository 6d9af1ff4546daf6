package engine

import (
	"weir/engine/index"
	"weir/engine/value"
)

// tryWildcard plans a scan of a wildcard index for one of the predicates: the
// one with points, if any. A document without a value has no key, and objects
// and arrays have none of their own.
func (p *planner) tryWildcard(ix *indexState) (access, int) {
	best, score := "", 0
	for path, pr := range p.preds {
		s := scoreRange
		if pr.cond.Points != nil {
			s = scorePoints
		}
		if s < score || s == score && best < path || !p.wildcardAnswers(ix, path, pr) {
			continue
		}
		best, score = path, s
	}
	if score == 0 || !p.impliesPartial(ix) {
		return access{}, 0
	}
	cond := p.preds[best].cond
	if cond.Points == nil && ix.multikey.Load() && p.preds[best].twoSided {
		_, cond.High, _ = index.ClassLimits(cond.Low.Value)
	}
	a := access{index: ix, wildcard: best}
	a.conds = []index.Condition{{Points: []value.Value{value.String(best)}}, cond}
	a.ranges, _ = ix.Ranges(a.conds)
	return a, score
}

func (p *planner) wildcardAnswers(ix *indexState, path string, pr *predicate) bool {
	if pr.null || pr.inexact || pr.strings && !sameCollation(pr.collation, ix.Collation) || ix.Collation != nil {
		return false
	}
	return ix.Wildcard.Covers(path)
}
