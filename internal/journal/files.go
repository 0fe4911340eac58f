package journal

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/minio/highwayhash"
	natsd "github.com/nats-io/nats-server/v2/server"
)

// The server in this process keeps of each worker a description, with a sum, and how far
// it has come, in a directory of its own.

// workerPath is that directory, in the server's one.
func workerPath(stream, worker string) string {
	return filepath.Join("jetstream", natsd.DEFAULT_GLOBAL_ACCOUNT, "streams", stream, "obs", worker)
}

// workers names the workers of a stream of which there are files.
func (s *server) workers(stream string) (names []string) {
	dirs, _ := fs.Glob(os.DirFS(s.dir), workerPath(stream, "*")) // the pattern is well-formed
	for _, dir := range dirs {
		names = append(names, filepath.Base(dir))
	}
	return names
}

// discard removes what there is of a worker: the server neither reads what is damaged nor
// replaces it.
func (s *server) discard(stream, worker string) error {
	return os.RemoveAll(filepath.Join(s.dir, workerPath(stream, worker)))
}

// checkWorkers removes the descriptions of workers that are damaged. The server does not
// compare them with their sums, and takes the whole stream out of service for one that it
// does not understand.
func (s *server) checkWorkers() error {
	streams, _ := fs.Glob(os.DirFS(s.dir), filepath.Dir(filepath.Dir(workerPath("*", "*"))))
	for _, dir := range streams {
		stream := filepath.Base(dir)
		for _, worker := range s.workers(stream) {
			if err := s.checkWorker(stream, worker); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *server) checkWorker(stream, worker string) error {
	dir := filepath.Join(s.dir, workerPath(stream, worker))
	file := filepath.Join(dir, natsd.JetStreamMetaFile)
	text, err := os.ReadFile(file) //nolint:gosec // a file of ours
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	sum, sumErr := os.ReadFile(filepath.Join(dir, natsd.JetStreamMetaFileSum)) //nolint:gosec // a file of ours
	if err == nil && sumErr == nil && string(sum) == sumOf(stream, worker, text) {
		return nil
	}
	return os.Remove(file)
}

// sumOf is the sum that the server writes of the description of a worker.
func sumOf(stream, worker string, text []byte) string {
	key := sha256.Sum256([]byte(stream + "/" + worker))
	sum := highwayhash.Sum64(text, key[:])
	return hex.EncodeToString(binary.LittleEndian.AppendUint64(nil, sum))
}
