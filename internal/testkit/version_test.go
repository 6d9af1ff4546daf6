package testkit_test

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"weir/engine/value"
	"weir/internal/testkit"
	"weir/store"
)

var serverVersions = [][3]int{{5, 0, 0}, {6, 0, 0}, {7, 0, 0}, {8, 0, 0}}

// TestServerVersions runs the scripts as if the MongoDB were of an older or
// newer version: rows are the same, and no pipeline holds a stage or an operator
// that this version does not have.
func TestServerVersions(t *testing.T) {
	files, err := filepath.Glob("testdata/sql/*.test")
	require.NoError(t, err)
	for _, v := range serverVersions {
		for _, f := range files {
			t.Run(fmt.Sprintf("%d.0/%s", v[0], strings.TrimSuffix(filepath.Base(f), ".test")), func(t *testing.T) {
				g := testkit.StartBehind(t, func(st store.Store) store.Store { return &ofVersion{st, v, t} })
				testkit.RunScript(t, g, f)
			})
		}
	}
}

// TestServerVersionsAgree compares the outcomes of the oracle's statements on
// MongoDB of several versions with those of the embedded engine.
func TestServerVersionsAgree(t *testing.T) {
	files, err := filepath.Glob("testdata/oracle/*.sql")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	connect := func(g *testkit.Gateway, name string) *pgconn.PgConn {
		config, err := pgx.ParseConfig(g.DSN())
		require.NoError(t, err)
		config.Database = g.Database + "_" + name
		conn := dial(t, config)
		run(t, conn, "SET weir.strict = on")
		return conn
	}
	embedded := testkit.Start(t, testkit.Embedded, nil)
	for i, v := range [][3]int{serverVersions[0], serverVersions[len(serverVersions)-1]} {
		g := testkit.StartBehind(t, func(st store.Store) store.Store { return &ofVersion{st, v, t} })
		for _, file := range files {
			name := strings.TrimSuffix(filepath.Base(file), ".sql")
			t.Run(fmt.Sprintf("%d.0/%s", v[0], name), func(t *testing.T) {
				compare(t, file, connect(embedded, fmt.Sprintf("%s_%d", name, i)), connect(g, name))
			})
		}
	}
}

// ofVersion is a store that can what MongoDB of a version can.
type ofVersion struct {
	store.Store
	version [3]int
	t       *testing.T
}

func (s *ofVersion) Capabilities() store.Capabilities {
	c := s.Store.Capabilities()
	c.Version = s.version
	six, seven := c.AtLeast(6, 0), c.AtLeast(7, 0)
	c.ExpandedEvents, c.PreAndPostImages, c.DensifyFill, c.TopN = six, six, six, six
	c.Percentile, c.SplitLargeEvents, c.BulkWriteCommand = seven, seven, c.AtLeast(8, 0)
	c.SetWindowFields, c.DateTrunc, c.LookupWithPipeline = true, true, true
	return c
}

func (s *ofVersion) Aggregate(ctx context.Context, ns store.Namespace, pipeline []bson.Raw, o store.AggregateOptions) (store.Cursor, error) {
	s.check(pipeline)
	return s.Store.Aggregate(ctx, ns, pipeline, o)
}

func (s *ofVersion) Begin(ctx context.Context) (store.Tx, error) {
	tx, err := s.Store.Begin(ctx)
	return &txOfVersion{tx, s}, err
}

type txOfVersion struct {
	store.Tx
	s *ofVersion
}

func (x *txOfVersion) Aggregate(ctx context.Context, ns store.Namespace, pipeline []bson.Raw, o store.AggregateOptions) (store.Cursor, error) {
	x.s.check(pipeline)
	return x.Tx.Aggregate(ctx, ns, pipeline, o)
}

func (s *ofVersion) check(pipeline []bson.Raw) {
	for _, stage := range pipeline {
		s.checkValue(value.Document(stage))
	}
}

// checkValue looks at every name with a dollar, wherever it stands but in literals.
func (s *ofVersion) checkValue(v value.Value) {
	if !v.IsDocument() && !v.IsArray() {
		return
	}
	for it := value.Walk(v.Doc()); it.Next(); {
		name := it.Key()
		if name == "$literal" {
			continue
		}
		if strings.HasPrefix(name, "$") {
			since, known := sinceVersion[name]
			if !known {
				s.t.Errorf("%s is in no list of operators: %s", name, v)
			} else if !(store.Capabilities{Version: s.version}).AtLeast(since[0], since[1]) {
				s.t.Errorf("%s came with MongoDB %d.%d, sent to %d.0: %s", name, since[0], since[1], s.version[0], v)
			}
			if sub := it.Value(); name == "$lookup" || name == "$unionWith" && sub.IsDocument() {
				from := map[string]string{"$lookup": "from", "$unionWith": "coll"}[name]
				if value.Lookup(sub.Doc(), from).IsMissing() {
					require.GreaterOrEqual(s.t, s.version[0], 6, "a pipeline without a collection came with MongoDB 5.1: %s", v)
				}
			}
		}
		s.checkValue(it.Value())
	}
}

// sinceVersion tells which stable release brought a stage, an operator or a
// part of the query language; those of 5.0 and before are one list.
var sinceVersion = func() map[string][2]int {
	m := map[string][2]int{}
	for since, names := range map[[2]int]string{
		{5, 0}: `$match $project $addFields $set $unset $group $sort $limit $skip $unwind $lookup $unionWith $replaceRoot $replaceWith
			$count $facet $sample $graphLookup $setWindowFields $collStats $indexStats $currentOp $bucket $merge $out
			$eq $ne $gt $gte $lt $lte $in $nin $and $or $nor $not $exists $type $regex $options $elemMatch $all $size $expr $mod $text $search
			$cond $ifNull $switch $let $map $filter $reduce $concat $concatArrays $arrayElemAt $first $last $slice $range $isArray $indexOfArray
			$arrayToObject $objectToArray $mergeObjects $getField $setField $unsetField $reverseArray $zip $setUnion $setDifference $setIntersection
			$allElementsTrue $anyElementTrue $cmp $add $subtract $multiply $divide $abs $ceil $floor $round $trunc $sqrt $pow $exp $ln $log $log10
			$sin $cos $tan $asin $acos $atan $atan2 $sinh $cosh $tanh $asinh $acosh $atanh $degreesToRadians $radiansToDegrees
			$toInt $toLong $toDouble $toDecimal $toString $toBool $toDate $toObjectId $convert $isNumber
			$substrCP $substrBytes $strLenCP $strLenBytes $indexOfCP $indexOfBytes $trim $ltrim $rtrim $toLower $toUpper $split $strcasecmp
			$regexMatch $regexFind $regexFindAll $replaceAll $replaceOne $binarySize $bsonSize
			$year $month $dayOfMonth $dayOfWeek $dayOfYear $hour $minute $second $millisecond $week $isoWeek $isoWeekYear $isoDayOfWeek
			$dateToString $dateFromString $dateToParts $dateFromParts $dateAdd $dateSubtract $dateDiff $dateTrunc
			$sum $avg $min $max $push $addToSet $stdDevPop $stdDevSamp $rand $sampleRate $meta
			$rank $denseRank $documentNumber $shift`,
		{6, 0}: `$documents $densify $fill $top $topN $bottom $bottomN $firstN $lastN $maxN $minN $sortArray $tsIncrement $tsSecond $linearFill $locf`,
		{7, 0}: `$median $percentile $bitAnd $bitOr $bitXor $bitNot`,
		{8, 0}: `$toUUID`,
	} {
		for _, name := range strings.Fields(names) {
			m[name] = since
		}
	}
	return m
}()
