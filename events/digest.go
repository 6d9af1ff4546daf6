package events

import (
	"math"
	"slices"
	"strconv"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
)

// digest counts durations in classes that grow by a twelfth, so that quantiles
// are right within 5 %. Digests of stretches of time are added up. There are few
// classes, as a subscription's durations are much alike.
type digest []digestClass

type digestClass struct {
	class int
	n     int64
}

// classesPerDoubling gives the growth of a class.
const classesPerDoubling = 8

// add counts a duration in microseconds; it is called on the zero value.
func (d *digest) add(us int64) {
	d.count(int(math.Round(classesPerDoubling*math.Log2(float64(max(1, us))))), 1)
}

func (d *digest) count(class int, n int64) {
	at, found := slices.BinarySearchFunc(*d, class, func(c digestClass, class int) int { return c.class - class })
	if !found {
		*d = slices.Insert(*d, at, digestClass{class: class})
	}
	(*d)[at].n += n
}

// addStored adds a digest as it is stored: a document of counts by class.
func (d *digest) addStored(v value.Value) {
	if !v.IsDocument() {
		return
	}
	for it := value.Walk(v.Doc()); it.Next(); {
		if class, err := strconv.Atoi(it.Key()); err == nil {
			d.count(class, it.Value().AsInt64())
		}
	}
}

// stored gives it as addStored reads it.
func (d digest) stored() bson.D {
	return d.increments(bson.D{}, "")
}

// increments adds it to the update of a bucket.
func (d digest) increments(inc bson.D, field string) bson.D {
	if field != "" {
		field += "."
	}
	for _, c := range d {
		inc = append(inc, bson.E{Key: field + strconv.Itoa(c.class), Value: c.n})
	}
	return inc
}

// quantile gives the duration in milliseconds below which a share of all lie;
// false: there are none.
func (d digest) quantile(share float64) (ms float64, ok bool) {
	total := int64(0)
	for _, c := range d {
		total += c.n
	}
	rank, seen := int64(math.Ceil(share*float64(total))), int64(0)
	for _, c := range d {
		if seen += c.n; seen >= rank {
			return math.Round(math.Exp2(float64(c.class)/classesPerDoubling)) / 1000, true
		}
	}
	return 0, false
}
