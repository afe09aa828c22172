/** Grey cards of the size of real ones, for as long as these are on their way. */
export function SkeletonCards({ count }: { count: number }) {
  return Array.from({ length: count }, (_, at) => (
    <li key={at} aria-hidden="true" className="skeleton-place">
      <div className="card skeleton">
        <span className="bone short" />
        <span className="bone title" />
        <span className="bone" />
        <span className="bone" />
        <span className="bone short" />
      </div>
    </li>
  ));
}
