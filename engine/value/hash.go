package value

import (
	"math"

	"github.com/cespare/xxhash/v2"
	"go.mongodb.org/mongo-driver/v2/bson"
)

// Hash mixes a value into a seed. Values that Equal finds equal hash equal,
// whatever their types.
func Hash(seed uint64, v Value) uint64 { return HashCollated(seed, v, nil) }

// HashCollated is Hash for EqualCollated.
func HashCollated(seed uint64, v Value, c *Collation) uint64 {
	seed = mix(seed ^ uint64(Class(v.kind)))
	switch v.kind {
	case bson.TypeInt32, bson.TypeInt64, bson.TypeDouble, bson.TypeDecimal128:
		return hashNumber(seed, v)
	case bson.TypeString, bson.TypeSymbol:
		if c != nil {
			return mix(seed ^ xxhash.Sum64String(c.Key(v.Str())))
		}
		return mix(seed ^ xxhash.Sum64String(v.Str()))
	case bson.TypeBoolean, bson.TypeTimestamp:
		return mix(seed ^ v.n)
	case bson.TypeDateTime:
		if v.m == 0 {
			return mix(seed ^ v.n)
		}
		return mix(mix(seed^v.n) ^ v.m)
	case bson.TypeObjectID:
		return mix(mix(seed^v.n) ^ v.m)
	case bson.TypeEmbeddedDocument:
		for it := Walk(v.Doc()); it.Next(); {
			seed = HashCollated(mix(seed^xxhash.Sum64String(it.Key())), it.Value(), c)
		}
		return mix(seed)
	case bson.TypeArray:
		for it := Walk(v.Doc()); it.Next(); {
			seed = HashCollated(seed, it.Value(), c)
		}
		return mix(seed)
	}
	return mix(seed ^ xxhash.Sum64(v.bytesOrNil()))
}

func hashNumber(seed uint64, v Value) uint64 {
	if v.p != nil {
		return hashWide(seed, v)
	}
	if i, ok := v.Integral(); ok {
		return mix(seed ^ uint64(i))
	}
	if v.IsNaN() {
		return mix(seed ^ 1)
	}
	f := v.AsDouble()
	if v.kind == bson.TypeDecimal128 && !v.IsInf() && (math.IsInf(f, 0) || compareDoubleDecimal(f, v.dec()) != 0) {
		return mix(seed ^ xxhash.Sum64(appendNumberKey(nil, v)))
	}
	return mix(seed ^ math.Float64bits(f))
}

// mix is the finalizer of splitmix64.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
