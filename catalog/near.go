package catalog

import (
	"sort"
	"strings"
)

// NearNames picks names that someone may have meant, the nearest first.
func NearNames(name string, all []string) []string {
	type match struct {
		name string
		d    int
	}
	var found []match
	low := strings.ToLower(name)
	limit := max(len(low)/3, 1)
	for _, n := range all {
		if d := distance(low, strings.ToLower(strings.TrimSuffix(n, "()")), limit); d <= limit {
			found = append(found, match{n, d})
		}
	}
	sort.Slice(found, func(i, j int) bool {
		if found[i].d != found[j].d {
			return found[i].d < found[j].d
		}
		return found[i].name < found[j].name
	})
	var out []string
	for _, f := range found {
		if len(out) == 3 {
			break
		}
		out = append(out, f.name)
	}
	return out
}

// distance is Levenshtein's, given up beyond limit.
func distance(a, b string, limit int) int {
	if len(a)-len(b) > limit || len(b)-len(a) > limit {
		return limit + 1
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		diag := row[0]
		row[0] = i
		least := i
		for j := 1; j <= len(b); j++ {
			cost := diag
			if a[i-1] != b[j-1] {
				cost++
			}
			diag = row[j]
			row[j] = min(cost, row[j]+1, row[j-1]+1)
			least = min(least, row[j])
		}
		if least > limit {
			return limit + 1
		}
	}
	return row[len(b)]
}
