// Computed when first asked for, and then remembered, its error as well.

export function once<T>(compute: () => T): () => T {
  let found: { value: T } | { error: unknown } | null = null;
  return () => {
    if (!found) {
      try {
        found = { value: compute() };
      } catch (error) {
        found = { error };
      }
    }
    if ('error' in found) throw found.error;
    return found.value;
  };
}
