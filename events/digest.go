package events

import (
	"math"
	"strconv"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
)

// digest counts durations in classes that grow by a twelfth, so that quantiles
// are right within 5 %. Digests of stretches of time are added up.
type digest map[int]int64

// classesPerDoubling gives the growth of a class.
const classesPerDoubling = 8

// add counts a duration in microseconds; it is called on the zero value.
func (d *digest) add(us int64) {
	if *d == nil {
		*d = digest{}
	}
	(*d)[int(math.Round(classesPerDoubling*math.Log2(float64(max(1, us)))))]++
}

// addStored adds a digest as it is stored: a document of counts by class.
func (d *digest) addStored(v value.Value) {
	if !v.IsDocument() {
		return
	}
	if *d == nil {
		*d = digest{}
	}
	for it := value.Walk(v.Doc()); it.Next(); {
		if class, err := strconv.Atoi(it.Key()); err == nil {
			(*d)[class] += it.Value().AsInt64()
		}
	}
}

// increments adds it to the update of a bucket.
func (d digest) increments(inc bson.D, field string) bson.D {
	for class, n := range d {
		inc = append(inc, bson.E{Key: field + "." + strconv.Itoa(class), Value: n})
	}
	return inc
}

// quantile gives the duration in milliseconds below which a share of all lie;
// false: there are none.
func (d digest) quantile(share float64) (ms float64, ok bool) {
	total, highest := int64(0), 0
	for class, n := range d {
		total += n
		highest = max(highest, class)
	}
	rank := int64(math.Ceil(share * float64(total)))
	for class, seen := 0, int64(0); total > 0 && class <= highest; class++ {
		if seen += d[class]; seen >= rank {
			return math.Round(math.Exp2(float64(class)/classesPerDoubling)) / 1000, true
		}
	}
	return 0, false
}
