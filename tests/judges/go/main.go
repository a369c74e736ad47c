// Command judge checks what evidencekit writes with the reference implementation, golang.org/x/mod/sumdb,
// and with github.com/transparency-dev/formats.
//
//	judge proof VKEY ENTRY PROOF    a C2SP tlog-proof for the bytes of the file ENTRY
//	judge log VKEY DIRECTORY        a published tlog-tiles directory: every record, every earlier tree
//	judge sign SKEY TEXT            print the note that Go signs
//	judge cosigned FILE VKEY…       a note that every one of the keys signed: Ed25519, cosignature/v1, ML-DSA-44
package main

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	formats "github.com/transparency-dev/formats/note"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	if os.Args[1] != "sign" {
		fmt.Println("ok")
	}
}

func run(args []string) error {
	switch {
	case len(args) == 4 && args[0] == "proof":
		return judgeProof(args[1], args[2], args[3])
	case len(args) == 3 && args[0] == "log":
		return judgeLog(args[1], args[2])
	case len(args) >= 3 && args[0] == "cosigned":
		return judgeCosigned(args[1], args[2:])
	case len(args) == 3 && args[0] == "sign":
		return sign(args[1], args[2])
	}
	return errors.New("usage: judge proof|log|sign|cosigned …")
}

// openTree opens a checkpoint note and parses its three lines.
func openTree(vkey string, data []byte) (tlog.Tree, error) {
	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		return tlog.Tree{}, err
	}
	opened, err := note.Open(data, note.VerifierList(verifier))
	if err != nil {
		return tlog.Tree{}, err
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) != 4 || lines[0] != verifier.Name() {
		return tlog.Tree{}, fmt.Errorf("checkpoint text %q", opened.Text)
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil {
		return tlog.Tree{}, err
	}
	root, err := tlog.ParseHash(lines[2])
	return tlog.Tree{N: size, Hash: root}, err
}

func judgeProof(vkey, entryFile, proofFile string) error {
	entry, err := os.ReadFile(entryFile)
	if err != nil {
		return err
	}
	data, err := os.ReadFile(proofFile)
	if err != nil {
		return err
	}
	head, checkpoint, found := bytes.Cut(data, []byte("\n\n"))
	lines := strings.Split(string(head), "\n")
	if !found || len(lines) < 2 || lines[0] != "c2sp.org/tlog-proof@v1" || !strings.HasPrefix(lines[1], "index ") {
		return errors.New("not a tlog-proof")
	}
	index, err := strconv.ParseInt(strings.TrimPrefix(lines[1], "index "), 10, 64)
	if err != nil {
		return err
	}
	var path tlog.RecordProof
	for _, line := range lines[2:] {
		sibling, err := base64.StdEncoding.DecodeString(line)
		if err != nil || len(sibling) != tlog.HashSize {
			return fmt.Errorf("hash line %q", line)
		}
		path = append(path, tlog.Hash(sibling))
	}
	tree, err := openTree(vkey, checkpoint)
	if err != nil {
		return err
	}
	return tlog.CheckRecord(path, tree.N, tree.Hash, index, tlog.RecordHash(entry))
}

// tileFiles reads tiles from a directory laid out as C2SP tlog-tiles; partial tiles fall back to full ones.
type tileFiles string

func (tileFiles) Height() int                     { return 8 }
func (tileFiles) SaveTiles([]tlog.Tile, [][]byte) {}

func (dir tileFiles) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var all [][]byte
	for _, tile := range tiles {
		// x/mod writes tile/8/<level>/…; C2SP leaves the height out.
		path := strings.Replace(tile.Path(), "tile/8/", "tile/", 1)
		data, err := os.ReadFile(filepath.Join(string(dir), path))
		if errors.Is(err, os.ErrNotExist) && tile.W < 256 {
			whole, _, _ := strings.Cut(path, ".p/")
			data, err = os.ReadFile(filepath.Join(string(dir), whole))
		}
		if err != nil {
			return nil, err
		}
		if len(data) < tile.W*tlog.HashSize {
			return nil, fmt.Errorf("%s has %d bytes", path, len(data))
		}
		all = append(all, data[:tile.W*tlog.HashSize])
	}
	return all, nil
}

func judgeLog(vkey, dir string) error {
	data, err := os.ReadFile(filepath.Join(dir, "checkpoint"))
	if err != nil {
		return err
	}
	tree, err := openTree(vkey, data)
	if err != nil {
		return err
	}
	reader := tlog.TileHashReader(tree, tileFiles(dir))
	for index := range tree.N {
		entry, err := readEntry(dir, tree.N, index)
		if err != nil {
			return err
		}
		proof, err := tlog.ProveRecord(tree.N, index, reader)
		if err != nil {
			return err
		}
		if err := tlog.CheckRecord(proof, tree.N, tree.Hash, index, tlog.RecordHash(entry)); err != nil {
			return fmt.Errorf("record %d: %w", index, err)
		}
	}
	names, err := os.ReadDir(filepath.Join(dir, "checkpoints"))
	if err != nil {
		return err
	}
	for _, name := range names {
		data, err := os.ReadFile(filepath.Join(dir, "checkpoints", name.Name()))
		if err != nil {
			return err
		}
		old, err := openTree(vkey, data)
		if err != nil {
			return err
		}
		if old.N == 0 {
			continue
		}
		proof, err := tlog.ProveTree(tree.N, old.N, reader)
		if err != nil {
			return err
		}
		if err := tlog.CheckTree(proof, tree.N, tree.Hash, old.N, old.Hash); err != nil {
			return fmt.Errorf("tree %d: %w", old.N, err)
		}
	}
	return nil
}

// readEntry reads one entry from its bundle, full or partial.
func readEntry(dir string, size, index int64) ([]byte, error) {
	tile := tlog.Tile{H: 8, L: 0, N: index / 256, W: 256}
	if rest := size % 256; index/256 == size/256 {
		tile.W = int(rest)
	}
	path := strings.Replace(tile.Path(), "tile/8/0/", "tile/entries/", 1)
	data, err := os.ReadFile(filepath.Join(dir, path))
	if err != nil {
		return nil, err
	}
	for range index % 256 {
		data = data[2+binary.BigEndian.Uint16(data):]
	}
	return data[2 : 2+binary.BigEndian.Uint16(data)], nil
}

func sign(skey, text string) error {
	signer, err := note.NewSigner(skey)
	if err != nil {
		return err
	}
	signed, err := note.Sign(&note.Note{Text: text}, signer)
	if err != nil {
		return err
	}
	_, err = os.Stdout.Write(signed)
	return err
}

func judgeCosigned(file string, vkeys []string) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var verifiers []note.Verifier
	for _, vkey := range vkeys {
		verifier, err := formats.NewVerifier(vkey)
		if err != nil {
			return err
		}
		verifiers = append(verifiers, verifier)
	}
	opened, err := note.Open(data, note.VerifierList(verifiers...))
	if err != nil {
		return err
	}
	if len(opened.Sigs) != len(vkeys) || len(opened.UnverifiedSigs) != 0 {
		return fmt.Errorf("%d signatures verified, %d not", len(opened.Sigs), len(opened.UnverifiedSigs))
	}
	return nil
}
