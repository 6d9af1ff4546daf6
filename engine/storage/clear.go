package storage

import "bytes"

// fewKeys is how many keys Clear deletes one by one.
const fewKeys = 256

// Clear puts the deletion of the keys of [lower, upper) into a batch. A few
// keys are deleted one by one: each range deletion that lies in memory makes
// every later reading slower, which many small ones would show. The caller
// holds its writer lock until the batch is applied.
func (d *DB) Clear(b *Batch, lower, upper []byte) error {
	if b.touches(lower, upper) {
		return b.DeleteRange(lower, upper)
	}
	keys, err := d.few(lower, upper)
	if err != nil {
		return err
	}
	if keys == nil {
		return b.DeleteRange(lower, upper)
	}
	for _, k := range keys {
		if err := b.Delete(k); err != nil {
			return err
		}
	}
	return nil
}

// few gives the keys of a range, nil when there are many.
func (d *DB) few(lower, upper []byte) ([][]byte, error) {
	it, err := d.Iter(lower, upper, false)
	if err != nil {
		return nil, err
	}
	defer it.Close()
	keys := [][]byte{}
	for it.Next() {
		if len(keys) == fewKeys {
			return nil, nil
		}
		keys = append(keys, bytes.Clone(it.Key()))
	}
	return keys, it.Err()
}
