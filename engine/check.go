package engine

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"slices"

	"github.com/cockroachdb/pebble/v2/vfs"
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/storage"
	"weir/engine/value"
)

// CheckOptions of Check and Restore. The zero value works.
type CheckOptions struct {
	FS       vfs.FS            // nil: the disk
	Logger   *slog.Logger      // nil: discard
	Progress func(line string) // nil: silence
}

func (o CheckOptions) withDefaults() CheckOptions {
	if o.FS == nil {
		o.FS = vfs.Default
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Progress == nil {
		o.Progress = func(string) {}
	}
	return o
}

// CheckReport is what Check found.
type CheckReport struct {
	Collections, Documents, Indexes, IndexEntries, OplogEntries, Images int64
	// Faults are in words; of very many only the first are kept, FaultCount is all.
	Faults     []string
	FaultCount int64
}

// maxFaults bounds Faults.
const maxFaults = 200

// OK tells that nothing is wrong.
func (r *CheckReport) OK() bool { return r.FaultCount == 0 }

// String is the summary in one line.
func (r *CheckReport) String() string {
	verdict := "everything is in order"
	if !r.OK() {
		verdict = fmt.Sprintf("%d things are wrong", r.FaultCount)
		if r.FaultCount == 1 {
			verdict = "1 thing is wrong"
		}
	}
	return fmt.Sprintf("%s: %d collections, %d documents, %d indexes, %d index entries, %d oplog entries, %d images",
		verdict, r.Collections, r.Documents, r.Indexes, r.IndexEntries, r.OplogEntries, r.Images)
}

// checker is one run of Check.
type checker struct {
	e    *Engine
	u    *unit
	say  func(string)
	r    CheckReport
	seed maphash.Seed
}

// Check verifies a data directory that no process uses, without changing it:
// the sums and the order of all blocks, the catalog, every document, every
// index in both directions, the counters, the oplog and its images. An error
// means that the check could not be made; what is wrong stands in the report.
func Check(ctx context.Context, dir string, o CheckOptions) (CheckReport, error) {
	o = o.withDefaults()
	o.Progress("open " + dir)
	db, err := storage.Open(dir, storage.Options{FS: o.FS, Logger: o.Logger, ReadOnly: true})
	if err != nil {
		return CheckReport{}, err
	}
	e := &Engine{opts: Options{Logger: o.Logger}.withDefaults(), db: db, pending: map[string]*transaction{}}
	e.catalog = &catalog{dbs: map[string]map[string]*collection{}, nextID: 1}
	k := &checker{e: e, u: &unit{e: e, r: db}, say: o.Progress, seed: maphash.MakeSeed()}
	err = k.run(ctx)
	return k.r, errors.Join(err, db.Close())
}

func (k *checker) fault(format string, args ...any) {
	k.r.FaultCount++
	if len(k.r.Faults) < maxFaults {
		k.r.Faults = append(k.r.Faults, fmt.Sprintf(format, args...))
	}
}

func (k *checker) run(ctx context.Context) error {
	k.say("files: read every block")
	if err := k.e.db.Verify(ctx); err != nil {
		k.fault("files: %v", err)
	}
	k.read("the catalog", k.catalog())
	for _, db := range k.e.catalog.databases() {
		for _, c := range k.e.catalog.list(db) {
			k.read("collection "+c.load().ns.String(), k.collection(ctx, c))
		}
	}
	k.read("the key space", k.strays())
	k.read("the oplog", k.oplog(ctx))
	k.read("the images", k.images(ctx))
	return ctx.Err()
}

// read takes a part that cannot be read for a fault, and the check goes on.
func (k *checker) read(what string, err error) {
	if err != nil && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
		k.fault("%s cannot be read: %v", what, err)
	}
}

// each calls f for the keys of a range, until the context ends.
func (k *checker) each(ctx context.Context, lower, upper []byte, f func(key, v []byte) error) error {
	it, err := k.e.db.Iter(lower, upper, false)
	if err != nil {
		return err
	}
	defer it.Close()
	for n := 0; it.Next(); n++ {
		if n&1023 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		v, err := it.Value()
		if err != nil {
			return err
		}
		if err := f(it.Key(), v); err != nil {
			return err
		}
	}
	return it.Err()
}

func (k *checker) catalog() error {
	lower, upper := storage.CatalogRange()
	ids := map[uint32]string{}
	err := k.each(context.Background(), lower, upper, func(key, v []byte) error {
		c, err := k.catalogEntry(slices.Clone(v))
		if err != nil {
			k.fault("catalog: the entry %q is damaged: %v", key[1:], err)
			return nil
		}
		m := c.load()
		if want := storage.CatalogKey(m.ns.DB, m.ns.Coll); !slices.Equal(want, key) {
			k.fault("catalog: the entry %q describes %s", key[1:], m.ns)
		}
		used := []uint32{}
		if m.view == nil {
			used = append(used, c.id)
		}
		for _, ix := range m.indexes {
			used = append(used, ix.ID)
		}
		for _, id := range used {
			if other, taken := ids[id]; taken {
				k.fault("catalog: %s and %s share the id %d", other, m.ns, id)
			}
			ids[id] = m.ns.String()
		}
		k.e.catalog.put(c)
		return nil
	})
	k.say(fmt.Sprintf("catalog: %d databases", len(k.e.catalog.databases())))
	return err
}

func (k *checker) catalogEntry(raw bson.Raw) (*collection, error) {
	if err := value.Validate(raw); err != nil {
		return nil, err
	}
	if !value.Lookup(raw, "db").IsString() || !value.Lookup(raw, "coll").IsString() || !value.Lookup(raw, "indexes").IsArray() {
		return nil, errors.New("a field is missing")
	}
	for it := value.Walk(value.Lookup(raw, "indexes").Doc()); it.Next(); {
		if v := it.Value(); !v.IsDocument() || !value.Lookup(v.Doc(), "spec").IsDocument() {
			return nil, errors.New("an index has no specification")
		}
	}
	c, err := k.e.decodeCollection(raw)
	if err == nil && c.load().view == nil && (len(c.load().indexes) == 0 || !c.load().idIndex().IsID()) {
		err = errors.New("there is no index on _id")
	}
	return c, err
}

// strays are keys that belong to nothing. Entries of an index that is not in
// the catalog are what a build leaves that was cut short; the next start
// deletes them.
func (k *checker) strays() error {
	unknown, collections, indexes, err := k.e.db.Strays()
	if err != nil {
		return err
	}
	for _, key := range unknown {
		k.fault("key space: %x is no key of a database", key)
	}
	known := map[uint32]bool{}
	for _, db := range k.e.catalog.databases() {
		for _, c := range k.e.catalog.list(db) {
			known[c.id] = true
		}
	}
	for _, id := range collections {
		if !known[id] {
			k.fault("key space: there are documents of a collection with id %d, which the catalog does not have", id)
		}
	}
	known = k.e.catalog.indexIDs()
	for _, id := range indexes {
		if !known[id] {
			k.say(fmt.Sprintf("key space: an index build was cut short; the next start deletes what it left (index id %d)", id))
		}
	}
	return nil
}

// tally is a fingerprint of a set of index entries that does not depend on
// their order.
type tally struct {
	n   int64
	sum uint64
}

func (t *tally) add(seed maphash.Seed, key []byte, rec storage.RecordID) {
	var h maphash.Hash
	h.SetSeed(seed)
	_, _ = h.Write(key)
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], uint64(rec))
	_, _ = h.Write(b[:])
	t.n++
	t.sum += h.Sum64()
}
