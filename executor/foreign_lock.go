package executor

import (
	"context"
	"hash/fnv"
	"strconv"

	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/catalog"
	"weir/engine/value"
	"weir/store"
	"weir/translator"
)

// A transaction of MongoDB sees one state of the documents, and two that do not
// write the same document do not meet. So one that refers to a row and one that
// takes the row away both write a document of catalog.KeyLocks: the second
// conflicts, and when it is run again it sees what the first did.
//
// Those who refer to a row shall not hinder each other. Each key has several
// documents, its stripes: who refers to it writes the one of its session, who
// takes it away writes all. Keys share documents by a hash, so that there is no
// end to them; what they share costs a retry at most.
//
// The documents are not in the database of the tables: its change streams do not
// show them.
const (
	keyBuckets = 64
	keyStripes = 8
)

// lockKeys writes the documents of keys.
func (e *execution) lockKeys(ctx context.Context, ref *translator.KeyRef, keys []key, all bool) error {
	var ops []store.WriteOp
	stripes := []int{int(e.st.Keys.Stripe() % keyStripes)}
	if all {
		stripes = stripes[:0]
		for i := range keyStripes {
			stripes = append(stripes, i)
		}
	}
	for _, k := range keys {
		bucket := bucketOf(ref, k)
		for _, s := range stripes {
			id := lockID(bucket, s)
			if e.keys.locked[id] {
				continue
			}
			e.keys.locked[id] = true
			ops = append(ops, lockOp(id))
		}
	}
	return writeLocks(ctx, e.q, ops)
}

func bucketOf(ref *translator.KeyRef, k key) int {
	h := fnv.New32a()
	_, _ = h.Write([]byte(ref.To.NS.String() + "\x00" + keyText(ref, k)))
	return int(h.Sum32() % keyBuckets)
}

// LockAllKeys writes all documents, for who takes all rows of a table away.
func LockAllKeys(ctx context.Context, on store.Queryer, keys KeySession) error {
	ops := make([]store.WriteOp, 0, keyBuckets*keyStripes)
	for i := range keyBuckets {
		keys.Took(i)
		for s := range keyStripes {
			ops = append(ops, lockOp(lockID(i, s)))
		}
	}
	return writeLocks(ctx, on, ops)
}

func lockID(bucket, stripe int) string { return strconv.Itoa(bucket) + "/" + strconv.Itoa(stripe) }

// lockOp changes a document, whatever it holds.
func lockOp(id string) store.WriteOp {
	var b value.Builder
	b.Open(bson.TypeEmbeddedDocument, "$inc")
	b.Add("n", value.Int64(1))
	b.Close()
	return store.WriteOp{Kind: store.Update, Filter: keyFilter(value.String(id)), Update: value.Document(b.Doc()).RawValue(), Upsert: true}
}

func writeLocks(ctx context.Context, on store.Queryer, ops []store.WriteOp) error {
	if len(ops) == 0 {
		return nil
	}
	res, err := on.Write(ctx, catalog.KeyLocks, ops, store.WriteOptions{})
	if err == nil {
		err = res.Err()
	}
	return err
}
