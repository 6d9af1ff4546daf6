package catalog

import (
	"hash/fnv"
	"sync"
)

// FirstOID is the first OID of user objects, as in PostgreSQL.
const FirstOID = 16384

// oids gives objects OIDs that stay the same over restarts and need no writes:
// a hash of kind and name. Two names that meet take different salts in the
// order in which this process meets them; declared objects keep theirs in
// their document.
type oids struct {
	mu     sync.Mutex
	byName map[string]uint32
	names  map[uint32]string
}

func newOIDs() *oids {
	return &oids{byName: map[string]uint32{}, names: map[uint32]string{}}
}

func (o *oids) of(kind, db, name string) uint32 {
	key := kind + "\x00" + db + "\x00" + name
	o.mu.Lock()
	defer o.mu.Unlock()
	if oid, ok := o.byName[key]; ok {
		return oid
	}
	for salt := byte(0); ; salt++ {
		h := fnv.New64a()
		h.Write([]byte(key))
		if salt > 0 {
			h.Write([]byte{salt})
		}
		sum := h.Sum64()
		oid := FirstOID + uint32((sum^sum>>32)%(1<<31-FirstOID))
		if _, taken := o.names[oid]; !taken {
			o.byName[key], o.names[oid] = oid, key
			return oid
		}
	}
}

// keep records the OID that an object brings along.
func (o *oids) keep(kind, db, name string, oid uint32) {
	key := kind + "\x00" + db + "\x00" + name
	o.mu.Lock()
	defer o.mu.Unlock()
	o.byName[key], o.names[oid] = oid, key
}
